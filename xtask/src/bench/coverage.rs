//! How much of each request has a name, and whether it is the right one.

use std::{
    ffi::OsString,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use hotspan_tests::{
    agent::Attach,
    catalogue,
    collector::Receiver,
    coverage::{self, Sides},
    http,
    load::quantile,
    service::{App, Options, Service},
    truth::Call,
};
use tempfile::TempDir;

/// Requests of each kind before those that count: unknown code's spans become exact meanwhile.
const WARM_UP: usize = 8;
/// The endpoint that answers at once and goes on working, and the longest time for that.
const BACKGROUND: &str = "/background";
const BACKGROUND_TIMEOUT: Duration = Duration::from_secs(30);

/// A kind of request, the least coverage that is promised, and how it is asked for.
struct Kind {
    path: String,
    promised: Option<f64>,
}

/// How hotspan is attached.
struct Setting {
    name: &'static str,
    arguments: Vec<OsString>,
}

/// Every endpoint with an empty catalogue, promotion on and off, and with the catalogue.
pub fn run(requests: usize) -> Result<()> {
    let dir = TempDir::new().context("failed to make a temporary folder")?;
    let empty = catalogue::none(dir.path())?;
    let settings = [
        Setting {
            name: "empty catalogue, promotion on",
            arguments: empty.to_vec(),
        },
        Setting {
            name: "empty catalogue, promotion off",
            arguments: [&empty[..], &["--no-promotion".into()]].concat(),
        },
        Setting {
            name: "built-in catalogue",
            arguments: Vec::new(),
        },
    ];
    for setting in &settings {
        measure(setting, requests)?;
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
    kinds.push(Kind {
        path: "/routing?ms=0&locations=4".to_owned(),
        promised: None,
    });
    kinds
}

fn measure(setting: &Setting, requests: usize) -> Result<()> {
    println!("{}:", setting.name);
    let receiver = Receiver::start()?;
    let service = Options {
        app: App::Dark,
        exports_to: Some(receiver.endpoint()),
        ..Options::default()
    }
    .start()?;
    let agent = Attach::pid(service.pid())
        .with(setting.arguments.clone())
        .start()?;
    let client = http::client();
    let kinds = kinds();
    for _ in 0..WARM_UP {
        for kind in &kinds {
            http::get(&client, service.port, &kind.path)?;
        }
    }
    let warm = calls_after(&service, WARM_UP)?.len();
    for kind in &kinds {
        for _ in 0..requests {
            http::get(&client, service.port, &kind.path)?;
        }
    }
    let calls = calls_after(&service, WARM_UP + requests)?.split_off(warm);
    let exported = receiver.wait_for_calls(&calls)?;
    let outcome = agent.stop()?;
    drop(service.stop()?);
    let found = coverage::requests(&exported, &calls, &outcome.spans);
    let mut sides = Sides::default();
    let (mut named, mut phases) = (0, 0);
    // One request follows the other, so they lie in the order in which they were sent.
    for (kind, of_kind) in kinds.iter().zip(found.chunks(requests)) {
        let mut covered: Vec<f64> = of_kind.iter().map(coverage::Request::coverage).collect();
        covered.sort_by(f64::total_cmp);
        let at = |q| quantile(&covered, q).unwrap_or_default();
        let promised = kind
            .promised
            .map_or(String::new(), |share| format!(", promised {share:.2}"));
        println!(
            "  {:<28} median {:.3}, least {:.3}{promised}",
            kind.path,
            at(0.5),
            at(0.0)
        );
        for request in of_kind {
            sides = sides.and(request.sides());
            named += request.named_right();
            phases += request.phases.len();
        }
    }
    println!(
        "  {named} of {phases} phases named right; {} of {} sides within the stated error",
        sides.within, sides.all
    );
    Ok(())
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
