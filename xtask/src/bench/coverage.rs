//! How much of each request has a name, and whether it is the right one.

use std::{
    ffi::OsString,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use hotspan_tests::{
    agent::Attach,
    catalogue,
    collector::Receiver,
    coverage::{self, Sides},
    http::{self, Client},
    load::quantile,
    otlp::Span,
    service::{App, Options, Service},
    truth::Call,
};
use tempfile::TempDir;

/// Requests of each kind before those that count: unknown code's spans become exact meanwhile.
const WARM_UP: usize = 8;
/// The same before the requests that nobody watches.
const ALONE_WARM_UP: usize = 2;
/// The endpoint that answers at once and goes on working, and the longest time for that.
const BACKGROUND: &str = "/background";
const BACKGROUND_TIMEOUT: Duration = Duration::from_secs(30);

/// A kind of request, the least coverage that is promised, and how it is asked for.
struct Kind {
    path: String,
    promised: Option<f64>,
}

/// How hotspan is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Setting {
    /// With an empty catalogue.
    Empty,
    /// With an empty catalogue and without promotion.
    NoPromotion,
    /// With the built-in catalogue.
    Catalogue,
}

const SETTINGS: &[Setting] = &[Setting::Empty, Setting::NoPromotion, Setting::Catalogue];

/// What is measured.
pub struct Plan<'a> {
    /// Requests of each kind.
    pub requests: usize,
    /// Endpoints, by a part of their path; empty: all.
    pub only: &'a [String],
    /// Ways to attach; empty: all.
    pub settings: &'a [Setting],
    /// Whether phases that are not named right are shown.
    pub explain: bool,
}

impl Setting {
    fn name(self) -> &'static str {
        match self {
            Self::Empty => "empty catalogue, promotion on",
            Self::NoPromotion => "empty catalogue, promotion off",
            Self::Catalogue => "built-in catalogue",
        }
    }

    fn arguments(self, dir: &Path) -> Result<Vec<OsString>> {
        let mut arguments = match self {
            Self::Empty | Self::NoPromotion => catalogue::none(dir)?.to_vec(),
            Self::Catalogue => Vec::new(),
        };
        if self == Self::NoPromotion {
            arguments.push("--no-promotion".into());
        }
        Ok(arguments)
    }
}

/// Every endpoint, attached to in every way.
pub fn run(plan: &Plan<'_>) -> Result<()> {
    let dir = TempDir::new().context("failed to make a temporary folder")?;
    let settings = if plan.settings.is_empty() {
        SETTINGS
    } else {
        plan.settings
    };
    let is_wanted =
        |kind: &Kind| plan.only.is_empty() || plan.only.iter().any(|word| kind.path.contains(word));
    let kinds: Vec<Kind> = kinds().into_iter().filter(is_wanted).collect();
    for setting in settings {
        println!("{}:", setting.name());
        measure(setting.arguments(dir.path())?, &kinds, plan)?;
    }
    Ok(())
}

fn kinds() -> Vec<Kind> {
    let mut kinds = Vec::new();
    for (ms, promised) in [(100, 0.97), (50, 0.95), (20, 0.90)] {
        for work in [
            "work/python",
            "work/hash",
            "work/numpy",
            "work/regex",
            "work/montecarlo",
            "work/graph",
            "work/image",
            "work/genetic",
            "cpsat",
            "routing",
        ] {
            kinds.push(Kind {
                path: format!("/{work}?ms={ms}"),
                promised: Some(promised),
            });
        }
    }
    for path in ["/await", BACKGROUND] {
        kinds.push(Kind {
            path: path.to_owned(),
            promised: Some(0.97),
        });
    }
    // About 7 ms, and one that ends with its first solution.
    for ms in [6, 0] {
        kinds.push(Kind {
            path: format!("/routing?ms={ms}&locations=4"),
            promised: None,
        });
    }
    kinds
}

fn measure(arguments: Vec<OsString>, kinds: &[Kind], plan: &Plan<'_>) -> Result<()> {
    let requests = plan.requests;
    let receiver = Receiver::start()?;
    let service = Options {
        app: App::Dark,
        exports_to: Some(receiver.endpoint()),
        ..Options::default()
    }
    .start()?;
    let mut asked = Asked::new(&service, kinds);
    asked.each_in_turn(ALONE_WARM_UP)?;
    let alone = asked.each(requests)?;
    let agent = Attach::pid(service.pid()).with(arguments).start()?;
    asked.each_in_turn(WARM_UP)?;
    let calls = asked.each(requests)?;
    let exported_alone = receiver.wait_for_calls(&alone)?;
    let exported = receiver.wait_for_calls(&calls)?;
    let outcome = agent.stop()?;
    if plan.explain {
        println!("{}", outcome.stderr);
    }
    drop(service.stop()?);
    let found = coverage::requests(&exported, &calls, &outcome.spans);
    let alone = coverage::requests(&exported_alone, &alone, &[]);
    let mut sides = Sides::default();
    let mut of_all = Named::default();
    let mut of_promised = Named::default();
    // One request follows the other, so they lie in the order in which they were sent.
    for ((kind, of_kind), alone) in kinds
        .iter()
        .zip(found.chunks(requests))
        .zip(alone.chunks(requests))
    {
        let covered = sorted(of_kind, coverage::Request::coverage);
        let by_hand = sorted(of_kind, coverage::Request::by_hand);
        let by_hand_alone = sorted(alone, coverage::Request::by_hand);
        let at = |of: &[f64], q| quantile(of, q).unwrap_or_default();
        let promised = kind
            .promised
            .map_or(String::new(), |share| format!(", promised {share:.2}"));
        println!(
            "  {:<28} median {:.3}, least {:.3}{promised}; by hand {:.3}, with nobody attached {:.3}",
            kind.path,
            at(&covered, 0.5),
            at(&covered, 0.0),
            at(&by_hand, 0.5),
            at(&by_hand_alone, 0.5),
        );
        for request in of_kind {
            let of_request = request.sides();
            sides.add(&of_request);
            if plan.explain {
                for side in of_request.iter().filter(|side| !side.is_within()) {
                    explain_side(request, side);
                }
            }
            let misnamed = request.misnamed();
            of_all.add(request, misnamed.len());
            if kind.promised.is_some() {
                of_promised.add(request, misnamed.len());
            }
            let is_low = kind
                .promised
                .is_some_and(|share| request.coverage() < share);
            if plan.explain {
                for (phase, spans) in &misnamed {
                    explain(request, phase, spans);
                }
            }
            if plan.explain && is_low && misnamed.is_empty() {
                explain_all(request);
            }
        }
    }
    println!(
        "  {} of {} phases named right, {} of {} where coverage is promised; {} of {} sides within the stated error",
        of_all.right, of_all.all, of_promised.right, of_promised.all, sides.within, sides.all
    );
    println!(
        "  {} of these sides are of waits; {} lie further inside of their call, by less than a millisecond",
        sides.of_waits, sides.excused
    );
    Ok(())
}

/// Shows what lies where a phase is not named right, in milliseconds of the request.
fn explain(request: &coverage::Request<'_>, phase: &Call, spans: &[&Span]) {
    let root = request.root;
    println!(
        "    misnamed: {} {} of 0..{:.1}",
        phase.region,
        between(root, phase.start_ns, phase.end_ns),
        (root.end_ns - root.start_ns) as f64 / 1e6
    );
    for span in spans {
        println!("      {}", shown(root, span));
    }
}

/// Shows a side that is further off than its span says, and all that lies around it.
fn explain_side(request: &coverage::Request<'_>, side: &coverage::Side<'_>) {
    println!(
        "    {} of {} is {:.3} ms inside of the work:",
        if side.is_start { "start" } else { "end" },
        side.span.name,
        side.inside_ns as f64 / 1e6
    );
    explain_all(request);
}

/// Shows all of a request.
fn explain_all(request: &coverage::Request<'_>) {
    let whole_ms = (request.root.end_ns - request.root.start_ns) as f64 / 1e6;
    let (covered, by_hand) = (request.coverage(), request.by_hand());
    println!("    covered {covered:.3}, by hand {by_hand:.3}, of {whole_ms:.1}:");
    for phase in &request.phases {
        let at = between(request.root, phase.start_ns, phase.end_ns);
        println!("      did {} {at}", phase.region);
    }
    for span in request.spans() {
        println!("      {}", shown(request.root, span));
    }
}

fn shown(root: &Span, span: &Span) -> String {
    format!(
        "{} {} {} ±{:.2}",
        span.text("hotspan.origin").unwrap_or_default(),
        span.name,
        between(root, span.start_ns, span.end_ns),
        span.int("hotspan.error_ns").unwrap_or_default() as f64 / 1e6
    )
}

/// In milliseconds from a request's start.
fn between(root: &Span, start_ns: u64, end_ns: u64) -> String {
    let ms = |at: u64| (at as f64 - root.start_ns as f64) / 1e6;
    format!("{:.2}..{:.2}", ms(start_ns), ms(end_ns))
}

/// Phases, and how many of them are named right.
#[derive(Default)]
struct Named {
    right: usize,
    all: usize,
}

impl Named {
    fn add(&mut self, request: &coverage::Request<'_>, misnamed: usize) {
        self.right += request.phases.len() - misnamed;
        self.all += request.phases.len();
    }
}

/// A figure of each request, the least first.
fn sorted<'a>(
    requests: &[coverage::Request<'a>],
    of: fn(&coverage::Request<'a>) -> f64,
) -> Vec<f64> {
    let mut figures: Vec<f64> = requests.iter().map(of).collect();
    figures.sort_by(f64::total_cmp);
    figures
}

/// Requests that are put to a service, and what it wrote of them.
struct Asked<'a> {
    service: &'a Service,
    client: Client,
    kinds: &'a [Kind],
    /// What it wrote so far.
    calls: usize,
    background_tasks: usize,
}

impl<'a> Asked<'a> {
    fn new(service: &'a Service, kinds: &'a [Kind]) -> Self {
        Self {
            service,
            client: http::client(),
            kinds,
            calls: 0,
            background_tasks: 0,
        }
    }

    /// One of each kind, so often.
    fn each_in_turn(&mut self, times: usize) -> Result<()> {
        for _ in 0..times {
            for kind in self.kinds {
                self.ask(kind)?;
            }
        }
        self.done().map(drop)
    }

    /// So many of one kind, then of the next; what the service wrote of them.
    fn each(&mut self, times: usize) -> Result<Vec<Call>> {
        for kind in self.kinds {
            for _ in 0..times {
                self.ask(kind)?;
            }
        }
        self.done()
    }

    fn ask(&mut self, kind: &Kind) -> Result<()> {
        http::get(&self.client, self.service.port, &kind.path)?;
        self.background_tasks += usize::from(kind.path == BACKGROUND);
        Ok(())
    }

    fn done(&mut self) -> Result<Vec<Call>> {
        let calls = calls_after(self.service, self.background_tasks)?.split_off(self.calls);
        self.calls += calls.len();
        Ok(calls)
    }
}

/// What the service did, once so many of its background tasks have ended: they outlive their answers.
fn calls_after(service: &Service, background_tasks: usize) -> Result<Vec<Call>> {
    let deadline = Instant::now() + BACKGROUND_TIMEOUT;
    loop {
        let calls = service.truth()?;
        let in_background = calls.iter().filter(|call| call.route == BACKGROUND);
        if in_background.count() >= background_tasks {
            return Ok(calls);
        }
        ensure!(Instant::now() < deadline, "the background tasks do not end");
        // The service writes to a file: nothing tells of that.
        thread::sleep(Duration::from_millis(50));
    }
}
