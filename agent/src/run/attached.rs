//! The lines that say what is armed in a target.

use super::{say, targets::Watched};

/// Objects with regions that a target has mapped since it was searched.
pub struct NewlyMapped {
    /// How long it took from the mapping to the probes at the most, in nanoseconds; `None`: no event told of it.
    pub after_ns: Option<u64>,
    /// Names of those that were armed after they were mapped: what they did before was not seen.
    pub late: Vec<String>,
    /// Names of those that were armed before.
    pub expected: Vec<String>,
}

/// Says it once for a target that was asked for, or that has regions, and again when there is more:
/// libraries are loaded late, and interpreters import OpenTelemetry late.
pub fn announce(watched: &mut Watched, regions: usize, sampling: &str, new: &NewlyMapped) {
    let told = (regions, watched.context.clone());
    let new = new.describe();
    let is_known = watched.told.as_ref() == Some(&told) && new.is_empty();
    if is_known || (regions == 0 && !watched.is_asked_for) {
        return;
    }
    match watched.told.replace(told) {
        None => first(watched, regions, sampling, &new),
        Some(_) => say::line(&format!(
            "now in {}: {regions} regions armed, context {}{new}",
            watched.process.pid(),
            watched.context,
        )),
    }
}

/// Says which libraries were armed before the target maps them.
pub fn announce_expected(watched: &mut Watched) {
    let mut expected = std::mem::take(&mut watched.expected);
    expected.sort_unstable();
    expected.dedup();
    if watched.is_asked_for && !expected.is_empty() {
        say::line(&format!(
            "armed before {} maps them: {}",
            watched.process.pid(),
            expected.join(", ")
        ));
    }
}

impl NewlyMapped {
    /// What follows the line; nothing where nothing is new, or where no event told of a mapping: it was there before.
    fn describe(&self) -> String {
        let Some(after_ns) = self.after_ns else {
            return String::new();
        };
        let mut parts = Vec::new();
        if !self.expected.is_empty() {
            let names = self.expected.join(", ");
            parts.push(format!("; {names} armed before it was mapped"));
        }
        if !self.late.is_empty() {
            let (names, after) = (self.late.join(", "), after_ns as f64 / 1e6);
            parts.push(format!(
                "; {names} armed within {after:.1} ms of its mapping"
            ));
        }
        parts.concat()
    }
}

fn first(watched: &Watched, regions: usize, sampling: &str, late: &str) {
    say::line(&format!(
        "attached to {} ({}): {regions} regions armed, context {}, {sampling}{late}",
        watched.process.pid(),
        watched.process.exe().display(),
        watched.context,
    ));
    if regions == 0 {
        say::line(&format!(
            "none of the {} objects that it maps holds a region of the catalogue (`hotspan regions` lists them); libraries that it loads later are searched, too",
            watched.searched.len(),
        ));
    }
}
