//! Which shapes requests have: what they are called, and the spans directly in them.

use std::{
    collections::VecDeque,
    hash::{Hash as _, Hasher as _},
};

use rustc_hash::{FxHashMap, FxHasher};

use super::{findings::Origin, lane::Found};
use crate::ids::TargetId;

/// Requests of one shape after which it is known.
const KNOWN_AFTER: u32 = 50;
/// Shapes that are remembered; of more, the latest that came up.
const SHAPES: usize = 4_096;

type Shape = (TargetId, u64);

/// How often each shape was met.
#[derive(Debug, Default)]
pub(super) struct Shapes {
    met: FxHashMap<Shape, u32>,
    order: VecDeque<Shape>,
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
        for finding in found.flat_map(|found| &found.findings) {
            // Waits come as they will.
            if finding.origin != Origin::Wait {
                finding.name.hash(&mut hasher);
            }
        }
        let shape = (target, hasher.finish());
        let met = self.met.entry(shape).or_insert_with(|| {
            self.order.push_back(shape);
            0
        });
        *met = met.saturating_add(1);
        let is_known = *met > KNOWN_AFTER;
        if self.order.len() > SHAPES
            && let Some(oldest) = self.order.pop_front()
        {
            self.met.remove(&oldest);
        }
        is_known
    }
}
