//! Crossings: one program at every armed instruction; the cookie tells it the region, and what kind of
//! instruction it is. One program means one link for each object, and links are slow to let go.

mod catch;
mod counts;
mod decode;
pub mod emit;
mod entry;
mod exit;
pub mod guard;
mod handover;
mod hit;
mod members;
mod moment;
mod note;
mod part;
pub mod stack;
mod tally;

use aya_ebpf::{macros::uprobe, programs::ProbeContext};
use hotspan_common::{PointKind, RegionFlags};

pub use hit::Hit;

use crate::{process, sampling::awaits, threads};

/// Runs at entries, exits, notes and catches. Sleepable, so that it can read pages that are not
/// resident.
#[uprobe(multi, sleepable)]
pub fn crossing(ctx: ProbeContext) -> u32 {
    let Some(hit) = Hit::of(&ctx) else {
        return 0;
    };
    let kind = PointKind::from_wire(hit.cookie.kind);
    if kind != Some(PointKind::Exit) && !guard::admits(&hit) {
        return 0;
    }
    let mut state = threads::get(hit.tid);
    if kind == Some(PointKind::Entry)
        && (part::of_another(&hit, state.as_deref_mut()) || moment::is_of_others(&hit))
    {
        return 0;
    }
    match kind {
        Some(PointKind::Entry) if hit.spec.flags & RegionFlags::TALLY != 0 => {
            tally::run(&hit, state)
        }
        Some(PointKind::Entry) => entry::run(&hit, state),
        Some(PointKind::Exit) => exit::run(&hit, state),
        Some(PointKind::Note) => note::run(&hit, state),
        Some(PointKind::Catch) => {
            if let Some(state) = state {
                catch::run(&hit, state);
            }
        }
        Some(PointKind::Resume) => awaits::resumed_in_wrapper(&hit),
        Some(PointKind::Woken) => awaits::resumed(&hit, hit.argument()),
        Some(PointKind::Created) => awaits::created(&hit, hit.argument()),
        Some(PointKind::Loaded) => process::loaded(&hit),
        None => {}
    }
    0
}
