//! Is there anything to be traced?

use super::{RegionFacts, TARGET};
use crate::doctor::Check;

/// Most names that a line lists.
const LISTED: usize = 8;

pub(super) fn check(facts: &RegionFacts) -> Check {
    const NAME: &str = "regions";
    let RegionFacts {
        armable,
        installed,
        refused,
        files,
        symbols,
    } = facts;
    let armable = if installed.is_empty() {
        list(armable)
    } else {
        let soon = format!("as soon as it is loaded: {}", list(installed));
        let now = list(armable);
        if now.is_empty() {
            soon
        } else {
            format!("{now}; {soon}")
        }
    };
    match (armable.as_str(), refused.first()) {
        ("", None) => TARGET.missing(
            NAME,
            format!("none; {files} mapped files with {symbols} symbols were looked at"),
            "send it a request first if it loads libraries late, or add regions: --regions FILE",
        ),
        ("", Some((name, why))) => TARGET.missing(
            NAME,
            format!("none can be armed of {}: {name}: {why}", refused.len()),
            "see `hotspan regions` for each of them",
        ),
        (_, None) => TARGET.ok(NAME, armable),
        (_, Some((name, why))) => TARGET.warn(
            NAME,
            format!("{armable}; but not {name}: {why}"),
            "see `hotspan regions` for each of them",
        ),
    }
}

fn list(names: &[String]) -> String {
    let shown = names.iter().take(LISTED).map(String::as_str);
    let shown = shown.collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(LISTED) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
