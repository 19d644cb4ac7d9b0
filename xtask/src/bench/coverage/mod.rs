//! How much of each request has a name, and whether it is the right one.

mod account;
mod asked;
mod explain;

use std::{ffi::OsString, path::Path};

use anyhow::{Context, Result};
use hotspan_tests::{
    agent::Attach,
    catalogue,
    collector::Receiver,
    coverage,
    service::{App, Options},
};
use tempfile::TempDir;

use self::{account::Account, asked::Asked};

/// Requests of each kind before those that count: unknown code's spans become exact meanwhile.
const WARM_UP: usize = 8;
/// The same before the requests that nobody watches.
const ALONE_WARM_UP: usize = 2;
/// The endpoint that answers at once and goes on working.
const BACKGROUND: &str = "/background";

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
    // One request follows the other, so they lie in the order in which they were sent.
    let each = found.chunks(requests).zip(alone.chunks(requests));
    let mut account = Account::default();
    for (kind, (of_kind, alone)) in kinds.iter().zip(each) {
        account.add(kind, of_kind, alone, plan.explain);
    }
    account.conclude();
    Ok(())
}
