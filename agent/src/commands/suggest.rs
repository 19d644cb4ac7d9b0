//! `hotspan regions --suggest`.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::Context as _;
use hotspan_synth::settings::Settings;

use super::{exports, load, trace};
use crate::{
    args::{AgentError, Exit, RegionsArgs},
    catalogue::{Catalogue, Report, Source, State},
    doctor::regions_of,
    kernel::StackRules,
    run::{self, ArmingRules, Begin, Plan, SamplingRules, Stop, Surveyor},
    suggest::{Listener, Suggestion, Tally, choose},
    target::{Process, mapping::Mapping},
};

/// How long a process is sampled unless it is said otherwise.
const DURATION: Duration = Duration::from_secs(10);

/// Samples a process for a while, and writes a catalogue file for what it found it at.
///
/// # Errors
/// As `attach`'s; or there was nothing to suggest.
pub fn run(args: &RegionsArgs) -> anyhow::Result<Exit> {
    let process = Arc::new(trace::open(args.target.selector())?);
    let duration = args.duration.unwrap_or(DURATION);
    let tally = Arc::new(Mutex::new(Tally::default()));
    sample(args, &process, duration, Arc::clone(&tally))?;
    let tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
    let heading = format!(
        "The hot native functions of {} (process {}): {} stacks in {}.",
        process.name(),
        process.pid(),
        tally.stacks(),
        humantime::format_duration(duration),
    );
    crate::run::say::line(&heading);
    let mappings = process.mappings()?;
    let known = functions(&regions_of(&Catalogue::load(&args.regions)?, &mappings));
    let mut chosen = choose(&tally);
    chosen.retain(|candidate| !known.contains(&candidate.function));
    let mut suggestion = Suggestion::new(heading, chosen);
    keep_armable(&mut suggestion, &mappings)?;
    anyhow::ensure!(
        !suggestion.is_empty(),
        "no native function that has a name and is no region yet took a fiftieth of the time"
    );
    print!("{suggestion}");
    Ok(Exit::Done)
}

fn sample(
    args: &RegionsArgs,
    process: &Arc<Process>,
    duration: Duration,
    tally: Arc<Mutex<Tally>>,
) -> anyhow::Result<()> {
    let surveyor = Surveyor::start(Catalogue::load(&args.regions)?)?;
    let runtime = trace::runtime()?;
    let stacks = Some(StackRules {
        frequency: args.frequency,
        kernel_frames: false,
    });
    let kernel = load::kernel(&runtime, stacks)?;
    let plan = Plan {
        surveyor,
        rules: ArmingRules {
            min_ns: None,
            rate_guard: true,
        },
        sampling: SamplingRules {
            stacks,
            all_threads: true,
        },
        promotes: false,
        settings: Settings::default(),
        exporters: exports::none()?,
        recording: None,
        onlooker: Some(Box::new(Listener::new(tally))),
        lasts: Some(duration),
    };
    let begin = Begin::Running(trace::family(Arc::clone(process))?);
    let outcome = runtime.block_on(async {
        let stop = trace::stop()?;
        run::trace(kernel, plan, begin, stop).await
    })?;
    if outcome.stop == Stop::TargetsEnded {
        let pid = process.pid();
        return Err(AgentError::EndedBeforeAttach { pid }.into());
    }
    Ok(())
}

/// Leaves out what could not be armed if the file were used now.
fn keep_armable(suggestion: &mut Suggestion, mappings: &[Mapping]) -> anyhow::Result<()> {
    let source = Source {
        name: "suggestion".to_owned(),
        text: suggestion.to_string(),
        is_shipped: false,
    };
    let catalogue = Catalogue::from_sources(&[source]).context("the suggestion is no catalogue")?;
    let report = regions_of(&catalogue, mappings);
    let lines = report.objects.iter().flat_map(|object| &object.regions);
    let armed: HashSet<&str> = lines
        .filter(|line| line.state == State::Armed)
        .map(|line| line.name.as_str())
        .collect();
    suggestion.keep(|name| armed.contains(name));
    Ok(())
}

fn functions(report: &Report) -> HashSet<String> {
    let lines = report.objects.iter().flat_map(|object| &object.regions);
    lines.map(|line| line.function.clone()).collect()
}
