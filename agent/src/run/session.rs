//! One run, from the first target to the last span.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use hotspan_synth::{settings::Settings, summary::Summary};

use super::{
    arming::{Arming, ArmingRules},
    clock,
    engine::{Engine, Stop},
    onlooker::Onlooker,
    pipeline::Pipeline,
    sampling::{Sampling, SamplingRules},
    surveyor::Surveyor,
};
use crate::{
    export::{ExportSummary, Exporters},
    kernel::Kernel,
    recording::RecordingWriter,
    target::Process,
};

/// How long exporters may take to send what waits when a run ends.
const LAST_EXPORT: Duration = Duration::from_secs(5);

/// What a run is made of.
pub struct Plan {
    /// Who searches the targets.
    pub surveyor: Surveyor,
    /// How they are armed.
    pub rules: ArmingRules,
    /// How they are sampled.
    pub sampling: SamplingRules,
    /// Whether native functions that stacks find at work again and again get probes.
    pub promotes: bool,
    /// The core's.
    pub settings: Settings,
    /// Where spans go.
    pub exporters: Exporters,
    /// Where events go, too.
    pub recording: Option<RecordingWriter>,
    /// Who looks on.
    pub onlooker: Option<Box<dyn Onlooker>>,
    /// How long it goes on once probes are armed; `None`: until it is stopped.
    pub lasts: Option<Duration>,
}

/// What a run begins with.
pub enum Begin {
    /// These processes run: the one that was named, then those that descend from it.
    Running(Vec<Arc<Process>>),
    /// This one is held back until it is armed.
    Held(Box<dyn Held>),
}

/// A process that has not come to its program's first instruction.
pub trait Held {
    /// The process.
    fn process(&self) -> Arc<Process>;

    /// Lets it execute its program.
    ///
    /// # Errors
    /// The program cannot be executed.
    fn release(self: Box<Self>) -> anyhow::Result<()>;
}

/// What came of a run.
pub struct Outcome {
    /// Why it ended.
    pub stop: Stop,
    /// Whether a process that was asked for was armed, or found to have nothing to arm.
    pub attached: bool,
    /// What became of the events.
    pub summary: Summary,
    /// What became of the spans.
    pub exports: ExportSummary,
}

/// Traces the processes of `begin` and what descends from them until `stop` is ready or all have ended.
///
/// # Errors
/// The kernel's side or the recording fails. Whatever happens, nothing stays in a target.
pub async fn trace(
    kernel: Kernel,
    plan: Plan,
    begin: Begin,
    stop: impl Future<Output = ()>,
) -> anyhow::Result<Outcome> {
    let mut pipeline =
        Pipeline::new(plan.settings, plan.exporters, plan.recording).watched_by(plan.onlooker);
    if plan.promotes {
        pipeline.keep_native();
    }
    if plan.sampling.stacks.is_some() {
        pipeline.keep_shapes();
    }
    let arming = Arming::new(plan.rules);
    let sampling =
        Sampling::new(plan.sampling).context("failed to start the thread that resolves stacks")?;
    let mut engine = Engine::new(kernel, pipeline, arming, sampling, plan.surveyor);
    match begin {
        Begin::Running(processes) => {
            for (index, process) in processes.into_iter().enumerate() {
                engine.adopt(process, index > 0)?;
            }
        }
        Begin::Held(held) => {
            engine.adopt_held(held.process()).await?;
            held.release()?;
        }
    }
    let stop = engine.run(stop, plan.lasts).await?;
    engine.detach().await?;
    let attached = engine.has_attached();
    let (summary, exports) = engine
        .into_pipeline()
        .finish(clock::now(), LAST_EXPORT)
        .await?;
    Ok(Outcome {
        stop,
        attached,
        summary,
        exports,
    })
}
