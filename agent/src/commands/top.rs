//! `hotspan top`.

use std::{
    io::{self, IsTerminal as _},
    sync::Arc,
};

use anyhow::Context as _;
use hotspan_synth::settings::Settings;
use tokio::sync::oneshot;

use super::{exports, load, trace};
use crate::{
    args::{AgentError, Exit, TopArgs},
    catalogue::Catalogue,
    kernel::StackRules,
    run::{self, ArmingRules, Begin, Plan, SamplingRules, Stop, Surveyor},
    top::{self, Live, Picture},
};

/// Shows the requests in flight, on the engine that `attach` runs: spans are made as there, and go nowhere.
///
/// # Errors
/// As `attach`'s, or standard output is closed.
pub fn run(args: &TopArgs) -> anyhow::Result<Exit> {
    let process = trace::open(args.target.selector())?;
    let (pid, what) = (
        process.pid(),
        format!("{} ({})", process.pid(), process.name()),
    );
    let processes = trace::family(Arc::new(process))?;
    let surveyor = Surveyor::start(Catalogue::load(&args.regions)?)?;
    for process in &processes {
        surveyor.warm(Arc::clone(process));
    }
    let runtime = trace::runtime()?;
    let stacks = Some(StackRules {
        frequency: args.frequency,
        kernel_frames: false,
    });
    let kernel = load::kernel(&runtime, stacks)?;
    let (tell, drawn) = oneshot::channel();
    let picture = if args.once {
        Picture::Still(tell)
    } else {
        Picture::Moving
    };
    let plan = Plan {
        surveyor,
        rules: ArmingRules {
            min_ns: None,
            rate_guard: true,
        },
        promotes: false,
        sampling: SamplingRules {
            stacks,
            all_threads: true,
        },
        settings: Settings::default(),
        exporters: exports::none()?,
        recording: None,
        onlooker: Some(Box::new(
            Live::new(what, picture).context("failed to start a thread")?,
        )),
        lasts: args.duration,
    };
    let outcome = runtime.block_on(async {
        let stop = stop(args, drawn)?;
        Box::pin(run::trace(kernel, plan, Begin::Running(processes), stop)).await
    });
    let outcome = match outcome {
        // `top | head`: who reads no further has seen enough.
        Err(error) if is_broken_pipe(&error) => return Ok(Exit::Done),
        outcome => outcome?,
    };
    if outcome.stop == Stop::TargetsEnded && !outcome.attached {
        return Err(AgentError::EndedBeforeAttach { pid }.into());
    }
    Ok(Exit::Done)
}

/// Ready as for `attach`, once the only picture is drawn, or by a key.
fn stop(args: &TopArgs, drawn: oneshot::Receiver<()>) -> anyhow::Result<impl Future<Output = ()>> {
    let asked = trace::stop()?;
    let has_keys = !args.once && io::stdout().is_terminal() && io::stdin().is_terminal();
    let key = has_keys
        .then(top::quit)
        .transpose()
        .context("failed to watch the keys")?;
    let once = args.once;
    Ok(async move {
        let key = async {
            match key {
                Some(key) => key.await,
                None => std::future::pending().await,
            }
        };
        let drawn = async {
            // Who draws is gone when the run has ended by itself.
            if !once || drawn.await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            () = asked => {}
            () = key => {}
            () = drawn => {}
        }
    })
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let mut causes = error.chain();
    causes.any(|cause| {
        cause
            .downcast_ref::<io::Error>()
            .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    })
}
