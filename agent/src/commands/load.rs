//! Loading the kernel programs, and what to say if the kernel refuses.

use std::num::NonZeroU32;

use tokio::runtime::Runtime;

use crate::{
    args::AgentError,
    doctor::{KernelFeatures, Report, System, Trial, check_host},
    kernel::{self, Kernel, KernelError, StackRules},
};

/// Loads them, for these stacks.
///
/// # Errors
/// What `doctor` would say of this host.
pub fn kernel(runtime: &Runtime, stacks: Option<StackRules>) -> anyhow::Result<Kernel> {
    let _inside = runtime.enter();
    Kernel::load(stacks).map_err(|error| refusal(error).into())
}

/// Loads them, as tracing and sampling would, and lets go of them.
pub fn tried(runtime: &Runtime) -> KernelFeatures {
    let _inside = runtime.enter();
    let stacks = StackRules {
        frequency: NonZeroU32::MIN,
        kernel_frames: true,
    };
    let mut features = features(Kernel::load(Some(stacks)).map(drop));
    features.uprobe_multi = Trial::of(kernel::uprobe_multi());
    features
}

fn refusal(error: KernelError) -> AgentError {
    let checks = check_host(&System::live(), Some(&features(Err(error))));
    let unknown = "the kernel refuses hotspan's programs, and `hotspan doctor` finds no reason";
    Report { checks }
        .refusal()
        .unwrap_or_else(|| AgentError::NotPermitted(unknown.to_owned()))
}

fn features(loaded: Result<(), KernelError>) -> KernelFeatures {
    KernelFeatures::of_load(loaded.map_err(|error| format!("{:#}", anyhow::Error::new(error))))
}
