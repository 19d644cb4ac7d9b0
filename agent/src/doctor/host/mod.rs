//! The host: privileges, kernel, tracing.

mod isolation;
mod kernel;
mod privileges;
mod tracing;

use super::{Check, KernelFeatures, System};

/// Everything that the host decides, whatever the target.
///
/// `features`: what the kernel module tried; `None` if it was not asked.
pub fn check_host(system: &System, features: Option<&KernelFeatures>) -> Vec<Check> {
    let mut checks = vec![privileges::capabilities(system)];
    checks.extend(isolation::checks(system, features));
    checks.extend(kernel::checks(system, features));
    checks.extend(tracing::checks(system, features));
    checks
}
