//! The lines that say what is armed in a target.

use super::{say, targets::Watched};

/// Says it once for a target that was asked for, or that has regions, and again when there is more:
/// libraries are loaded late, and interpreters import OpenTelemetry late.
pub fn announce(watched: &mut Watched, regions: usize, sampling: &str) {
    let told = (regions, watched.context.clone());
    if watched.told.as_ref() == Some(&told) || (regions == 0 && !watched.is_asked_for) {
        return;
    }
    match watched.told.replace(told) {
        None => first(watched, regions, sampling),
        Some(_) => say::line(&format!(
            "now in {}: {regions} regions armed, context {}",
            watched.process.pid(),
            watched.context,
        )),
    }
}

fn first(watched: &Watched, regions: usize, sampling: &str) {
    say::line(&format!(
        "attached to {} ({}): {regions} regions armed, context {}, {sampling}",
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
