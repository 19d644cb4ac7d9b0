//! Is there anything to be traced?

use super::{RegionFacts, TARGET};
use crate::doctor::Check;

/// Most names that a line lists.
const LISTED: usize = 8;

pub(super) fn check(facts: &RegionFacts) -> Check {
    const NAME: &str = "regions";
    let RegionFacts {
        armable,
        refused,
        files,
        symbols,
    } = facts;
    match (armable.as_slice(), refused.first()) {
        ([], None) => TARGET.missing(
            NAME,
            format!("none; {files} mapped files with {symbols} symbols were looked at"),
            "send it a request first if it loads libraries late, or add regions: --regions FILE",
        ),
        ([], Some((name, why))) => TARGET.missing(
            NAME,
            format!("none can be armed of {}: {name}: {why}", refused.len()),
            "see `hotspan regions` for each of them",
        ),
        (armable, None) => TARGET.ok(NAME, list(armable)),
        (armable, Some((name, why))) => TARGET.warn(
            NAME,
            format!("{}; but not {name}: {why}", list(armable)),
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
