//! Which shapes requests have: what they are called, and the spans directly in them.

use std::{
    collections::VecDeque,
    hash::{Hash as _, Hasher as _},
};

use rustc_hash::{FxHashMap, FxHasher};

use super::{findings::Origin, lane::Found};
use crate::ids::TargetId;

/// Requests of one shape after which it is known.
const KNOWN_AFTER: u32 = 12;
/// Requests of one name after which all of its shapes are: stacks show other functions each time, and make
/// shapes that nobody meets again.
const NAME_KNOWN_AFTER: u32 = 2 * KNOWN_AFTER;
/// Shapes and names that are remembered; of more, the latest that came up.
const REMEMBERED: usize = 4_096;

/// A shape, or a name, of a target's requests.
type Kind = (TargetId, u64);

/// How often each shape, and each name, was met.
#[derive(Debug, Default)]
pub(super) struct Shapes {
    met: FxHashMap<Kind, u32>,
    order: VecDeque<Kind>,
}

impl Shapes {
    /// A request of this name and with these spans; whether such a one was known.
    pub fn met<'a>(
        &mut self,
        target: TargetId,
        name: Option<&str>,
        found: impl Iterator<Item = &'a Found>,
    ) -> bool {
        let mut hasher = FxHasher::default();
        name.hash(&mut hasher);
        let of_name = self.meet((target, hasher.finish()));
        for finding in found.flat_map(|found| &found.findings) {
            // Waits come as they will.
            if finding.origin != Origin::Wait {
                finding.name.hash(&mut hasher);
            }
        }
        // Tells a request without spans from its name.
        hasher.write_u8(1);
        let of_shape = self.meet((target, hasher.finish()));
        of_shape > KNOWN_AFTER || of_name > NAME_KNOWN_AFTER
    }

    /// How often it was met, this time included.
    fn meet(&mut self, kind: Kind) -> u32 {
        let met = self.met.entry(kind).or_insert_with(|| {
            self.order.push_back(kind);
            0
        });
        *met = met.saturating_add(1);
        let met = *met;
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.met.remove(&oldest);
        }
        met
    }
}
