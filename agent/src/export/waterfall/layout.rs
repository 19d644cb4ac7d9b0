//! How the columns of a window are shared between names, bars and durations.

/// Between two columns.
pub(super) const GAP: usize = 2;
/// Bars narrower than this say nothing, and vanish.
const NARROWEST_BAR: usize = 8;

/// Columns of each part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    /// Tree, name and tags.
    pub(super) label: usize,
    /// Bars; 0 if there is no room for them.
    pub(super) bar: usize,
    /// Durations.
    pub(super) duration: usize,
}

/// What the rows would like to have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    /// The widest tree and name.
    pub(super) name: usize,
    /// The widest tree, name and tags.
    pub(super) label: usize,
    /// The widest duration.
    pub(super) duration: usize,
}

impl Layout {
    /// Names come first, then at least half of the rest for bars, then tags.
    pub(super) fn new(width: usize, wanted: Wanted) -> Self {
        let Wanted {
            name,
            label,
            duration,
        } = wanted;
        let room = width.saturating_sub(duration + 2 * GAP);
        if room < name + NARROWEST_BAR {
            let label = label.min(width.saturating_sub(duration + GAP));
            return Self {
                label,
                bar: 0,
                duration,
            };
        }
        let for_tags = (room - name) / 2;
        let label = label.min(name + for_tags).min(room - NARROWEST_BAR);
        Self {
            label,
            bar: room - label,
            duration,
        }
    }
}
