//! Hosts as fixtures, targets as facts.

mod convert;
mod endpoint;
mod fixture;
mod host;
mod report;
mod sdk;
mod target;

use super::{Check, Verdict};

/// The check of this name, as its verdict and what it says.
fn outcome(checks: &[Check], name: &str) -> Option<(Verdict, String)> {
    let check = checks.iter().find(|check| check.name == name)?;
    let remedy = check.remedy.as_ref().map(|remedy| format!(" -> {remedy}"));
    Some((
        check.verdict,
        format!("{}{}", check.what, remedy.unwrap_or_default()),
    ))
}
