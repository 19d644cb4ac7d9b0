//! `attach`, `run` and `record`: one engine, with other ways to come by a target.

use std::{
    hash::{BuildHasher as _, RandomState},
    path::Path,
    sync::Arc,
    time::Duration,
};

use anyhow::Context as _;
use hotspan_synth::{
    settings::{Inference, Settings},
    summary::Summary,
};
use tokio::signal::unix::{SignalKind, signal};

use super::{exports, load, spawn, startup, summary};
use crate::{
    args::{AgentError, AttachArgs, Exit, ExportArgs, RecordArgs, RunArgs, TraceArgs},
    catalogue::Catalogue,
    export::Exporters,
    kernel::Kernel,
    recording::RecordingWriter,
    run::{self, ArmingRules, Begin, Held as _, Outcome, Plan, SamplingRules, Stop, Surveyor},
    target::{Process, Selector, tree},
};

/// `hotspan attach`.
pub fn attach(args: &AttachArgs) -> anyhow::Result<Exit> {
    let process = open(args.target.selector())?;
    let exporters = |process: &Process| exports::start(&args.export, Some(process));
    watch(&args.trace, process, exporters, None)
}

/// `hotspan record`: exports nowhere unless asked to.
pub fn record(args: &RecordArgs) -> anyhow::Result<Exit> {
    let process = open(args.target.selector())?;
    let silent = args.export == ExportArgs::default();
    let exporters = |process: &Process| {
        if silent {
            exports::none()
        } else {
            exports::start(&args.export, Some(process))
        }
    };
    watch(&args.trace, process, exporters, Some(&args.output))
}

/// Traces a process for some time, or until Ctrl-C, and sends its spans nowhere: what became of its calls?
pub(super) fn observe(
    runtime: &tokio::runtime::Runtime,
    process: &Arc<Process>,
    catalogue: Catalogue,
    length: Duration,
) -> anyhow::Result<Summary> {
    let plan = Plan {
        surveyor: Surveyor::start(catalogue)?,
        rules: ArmingRules {
            min_ns: None,
            rate_guard: true,
        },
        sampling: SamplingRules::default(),
        promotes: false,
        settings: Settings {
            inference: None,
            ..Settings::default()
        },
        exporters: exports::none()?,
        recording: None,
        onlooker: None,
        lasts: Some(length),
    };
    let begin = Begin::Running(family(Arc::clone(process))?);
    let kernel = load::kernel(runtime, plan.sampling.stacks)?;
    let outcome = runtime.block_on(async {
        let stop = stop()?;
        run::trace(kernel, plan, begin, stop).await
    })?;
    Ok(outcome.summary)
}

/// `hotspan run`. The program waits for its first instruction until what it is going to map is armed.
pub fn run(args: &RunArgs) -> anyhow::Result<Exit> {
    let surveyor = Surveyor::start(Catalogue::load(&args.trace.regions)?)?;
    surveyor.look_ahead(startup::files(&args.command));
    let runtime = runtime()?;
    let kernel = load::kernel(&runtime, args.trace.stacks())?;
    let child = spawn::hold(&args.command)?;
    let exporters = exports::start(&args.export, Some(&child.process()))?;
    let plan = plan(&args.trace, surveyor, exporters, None)?;
    let begin = Begin::Held(Box::new(child));
    trace(&runtime, kernel, plan, begin)?;
    Ok(Exit::Done)
}

pub(super) fn open(selector: Option<Selector>) -> anyhow::Result<Process> {
    let selector = selector
        .ok_or_else(|| AgentError::Usage("name a process: --pid, --name, --port".into()))?;
    Ok(selector.open()?)
}

fn watch(
    args: &TraceArgs,
    process: Process,
    exporters: impl FnOnce(&Process) -> anyhow::Result<Exporters>,
    recording: Option<&Path>,
) -> anyhow::Result<Exit> {
    let pid = process.pid();
    let processes = family(Arc::new(process))?;
    let surveyor = Surveyor::start(Catalogue::load(&args.regions)?)?;
    // While the verifier is at work, large libraries are searched already.
    for process in &processes {
        surveyor.warm(Arc::clone(process));
    }
    let runtime = runtime()?;
    let kernel = load::kernel(&runtime, args.stacks())?;
    let exporters = exporters(&processes[0])?;
    let plan = plan(args, surveyor, exporters, recording)?;
    let begin = Begin::Running(processes);
    let outcome = trace(&runtime, kernel, plan, begin)?;
    if outcome.stop == Stop::TargetsEnded && !outcome.attached {
        return Err(AgentError::EndedBeforeAttach { pid }.into());
    }
    Ok(Exit::Done)
}

fn trace(
    runtime: &tokio::runtime::Runtime,
    kernel: Kernel,
    plan: Plan,
    begin: Begin,
) -> anyhow::Result<Outcome> {
    let outcome = runtime.block_on(async {
        let stop = stop()?;
        run::trace(kernel, plan, begin, stop).await
    })?;
    summary::print(&outcome);
    Ok(outcome)
}

/// The process and those that descend from it: the workers of a prefork server.
pub(super) fn family(process: Arc<Process>) -> anyhow::Result<Vec<Arc<Process>>> {
    let pid = process.pid();
    let mut processes = vec![process];
    for descendant in tree(pid)? {
        if descendant != pid
            // One that has ended meanwhile, or that cannot be traced, is left out.
            && let Ok(child) = Process::open(descendant)
        {
            processes.push(Arc::new(child));
        }
    }
    Ok(processes)
}

pub(super) fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("failed to start the event loop")
}

fn plan(
    args: &TraceArgs,
    surveyor: Surveyor,
    exporters: Exporters,
    recording: Option<&Path>,
) -> anyhow::Result<Plan> {
    let settings = Settings {
        seed: args.seed.unwrap_or_else(random_seed),
        inference: args.stacks().map(|_| Inference::default()),
        ..Settings::default()
    };
    let recording = recording
        .map(|path| RecordingWriter::create(path, &settings))
        .transpose()
        .context("failed to create the recording")?;
    Ok(Plan {
        surveyor,
        rules: ArmingRules {
            min_ns: args.min_duration.map(|least| least.as_nanos() as u64),
            rate_guard: !args.no_rate_guard,
        },
        sampling: SamplingRules {
            stacks: args.stacks(),
            ..SamplingRules::default()
        },
        promotes: args.promotes(),
        settings,
        exporters,
        recording,
        onlooker: None,
        lasts: args.duration,
    })
}

/// Two runs must not give one id to two spans. `RandomState` is seeded by the system.
fn random_seed() -> u64 {
    RandomState::new().hash_one(std::process::id())
}

/// Ready at Ctrl-C or SIGTERM.
pub(super) fn stop() -> anyhow::Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt()).context("failed to watch for Ctrl-C")?;
    let mut terminate = signal(SignalKind::terminate()).context("failed to watch for SIGTERM")?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}
