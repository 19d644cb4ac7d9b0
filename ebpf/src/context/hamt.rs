//! Lookup in a HAMT (`Python/hamt.c`), the immutable map behind a `PyContext`.

use hotspan_common::{ContextOutcome, PythonLayout, Trail};

use super::{Walk, python::OB_TYPE, trail};
use crate::{
    memory::Access,
    repeat::{CONTINUE, STOP, repeat},
};

/// `PyHamtNode_Bitmap` and `PyHamtNode_Collision`: number of slots, bitmap, slots.
const OB_SIZE: u64 = 16;
const BITMAP: u64 = 24;
const SLOTS: u64 = 32;
/// `PyHamtNode_Array.a_array`.
const CHILDREN: u64 = 16;
/// Five bits of the hash a level: seven levels use all 32, an eighth can only be a collision.
const MAX_LEVELS: u32 = 8;
/// Keys of one hash that are looked at.
const MAX_COLLISIONS: u64 = 4;

/// A descent through the tree.
struct Descent<'a> {
    layout: &'a PythonLayout,
    /// The hash of the variable that is sought: 5 bits a level, the lowest first.
    hash: u32,
    /// A [`ContextOutcome`]; `Found` when `node` is the value.
    outcome: u32,
    /// The node to look at next, at last the value.
    node: u64,
    /// Where the way is noted, if it is.
    trail: Option<&'a mut Trail>,
}

/// What a node says.
enum Step {
    Value(u64),
    Child(u64),
}

/// The value of OpenTelemetry's variable; not being there means that no span is active.
#[inline(always)]
pub fn find<M: Access>(layout: &PythonLayout, root: u64, trail: Option<&mut Trail>) -> Walk<u64> {
    let mut descent = Descent {
        layout,
        hash: layout.context_var_hash,
        outcome: u32::from(ContextOutcome::TooLarge.wire()),
        node: root,
        trail,
    };
    repeat(MAX_LEVELS, descend::<M>, &mut descent);
    match ContextOutcome::from_wire(descent.outcome as u8) {
        Some(ContextOutcome::Found) => Ok(descent.node),
        Some(reason) => Err(reason),
        None => Err(ContextOutcome::TooLarge),
    }
}

extern "C" fn descend<M: Access>(_: u64, descent: &mut Descent) -> u64 {
    match descent.step::<M>() {
        Ok(Step::Child(child)) => {
            descent.node = child;
            descent.hash >>= 5;
            return CONTINUE;
        }
        Ok(Step::Value(value)) => {
            descent.node = value;
            descent.outcome = u32::from(ContextOutcome::Found.wire());
        }
        Err(reason) => descent.outcome = u32::from(reason.wire()),
    }
    STOP
}

impl Descent<'_> {
    #[inline(always)]
    fn step<M: Access>(&mut self) -> Walk<Step> {
        let class = M::read::<u64>(self.node.wrapping_add(OB_TYPE))?;
        if class == self.layout.bitmap_node_type {
            self.in_bitmap::<M>()
        } else if class == self.layout.array_node_type {
            self.in_array::<M>()
        } else if class == self.layout.collision_node_type {
            self.in_collision::<M>()
        } else {
            Err(ContextOutcome::UnexpectedType)
        }
    }

    /// A slot is a key and its value, or NULL and a child.
    #[inline(always)]
    fn in_bitmap<M: Access>(&mut self) -> Walk<Step> {
        let bitmap = M::read::<u32>(self.node.wrapping_add(BITMAP))?;
        let bit = 1u32 << (self.hash & 0x1f);
        if bitmap & bit == 0 {
            return Err(ContextOutcome::NoActiveSpan);
        }
        let entry = SLOTS + 16 * u64::from((bitmap & (bit - 1)).count_ones());
        if let Some(trail) = self.trail.as_deref_mut() {
            trail::node(trail, bitmap, entry);
        }
        let [key, value] = M::read::<[u64; 2]>(self.node.wrapping_add(entry))?;
        if key == 0 {
            Ok(Step::Child(value))
        } else if key == self.layout.context_var {
            Ok(Step::Value(value))
        } else {
            Err(ContextOutcome::NoActiveSpan)
        }
    }

    #[inline(always)]
    fn in_array<M: Access>(&mut self) -> Walk<Step> {
        self.forget_trail();
        let index = u64::from(self.hash & 0x1f);
        match M::read::<u64>(self.node.wrapping_add(CHILDREN + 8 * index))? {
            0 => Err(ContextOutcome::NoActiveSpan),
            child => Ok(Step::Child(child)),
        }
    }

    #[inline(always)]
    fn in_collision<M: Access>(&mut self) -> Walk<Step> {
        self.forget_trail();
        let pairs = M::read::<u64>(self.node.wrapping_add(OB_SIZE))? / 2;
        for pair in 0..MAX_COLLISIONS {
            if pair >= pairs {
                return Err(ContextOutcome::NoActiveSpan);
            }
            let [key, value] = M::read::<[u64; 2]>(self.node.wrapping_add(SLOTS + 16 * pair))?;
            if key == self.layout.context_var {
                return Ok(Step::Value(value));
            }
        }
        Err(ContextOutcome::TooLarge)
    }

    /// Nodes of these kinds are rare, and not noted.
    #[inline(always)]
    fn forget_trail(&mut self) {
        if let Some(trail) = self.trail.as_deref_mut() {
            trail.nodes = trail::TOO_MANY;
        }
    }
}
