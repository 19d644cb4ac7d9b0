//! The lines that say what is armed in a target.

use super::{say, targets::Watched};

/// Objects that were armed some time after they were mapped: what they did before was not seen.
pub struct Late {
    /// How long it took at the most, in nanoseconds.
    pub by_ns: u64,
    /// Their names.
    pub objects: Vec<String>,
}

/// Says it once for a target that was asked for, or that has regions, and again when there is more:
/// libraries are loaded late, and interpreters import OpenTelemetry late.
pub fn announce(watched: &mut Watched, regions: usize, sampling: &str, late: Option<Late>) {
    let told = (regions, watched.context.clone());
    let late = late.filter(|late| !late.objects.is_empty());
    let is_known = watched.told.as_ref() == Some(&told) && late.is_none();
    if is_known || (regions == 0 && !watched.is_asked_for) {
        return;
    }
    let late = late.as_ref().map(Late::describe).unwrap_or_default();
    match watched.told.replace(told) {
        None => first(watched, regions, sampling, &late),
        Some(_) => say::line(&format!(
            "now in {}: {regions} regions armed, context {}{late}",
            watched.process.pid(),
            watched.context,
        )),
    }
}

impl Late {
    fn describe(&self) -> String {
        format!(
            "; {} armed within {:.1} ms of its mapping",
            self.objects.join(", "),
            self.by_ns as f64 / 1e6,
        )
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
