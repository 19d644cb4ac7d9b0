//! Lookup in a HAMT (`Python/hamt.c`), the immutable map behind a `PyContext`.

use hotspan_common::{ContextOutcome, PythonLayout};

use super::{Walk, python::OB_TYPE};
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
struct Descent {
    bitmap_type: u64,
    array_type: u64,
    collision_type: u64,
    /// The variable that is sought, and its hash: 5 bits a level, the lowest first.
    key: u64,
    hash: u32,
    /// A [`ContextOutcome`]; `Found` when `node` is the value.
    outcome: u32,
    /// The node to look at next, at last the value.
    node: u64,
}

/// What a node says.
enum Step {
    Value(u64),
    Child(u64),
}

/// The value of OpenTelemetry's variable; not being there means that no span is active.
#[inline(always)]
pub fn find<M: Access>(layout: &PythonLayout, root: u64) -> Walk<u64> {
    let mut descent = Descent {
        bitmap_type: layout.bitmap_node_type,
        array_type: layout.array_node_type,
        collision_type: layout.collision_node_type,
        key: layout.context_var,
        hash: layout.context_var_hash,
        outcome: u32::from(ContextOutcome::TooLarge.wire()),
        node: root,
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

impl Descent {
    #[inline(always)]
    fn step<M: Access>(&self) -> Walk<Step> {
        let class = M::read::<u64>(self.node.wrapping_add(OB_TYPE))?;
        if class == self.bitmap_type {
            self.in_bitmap::<M>()
        } else if class == self.array_type {
            self.in_array::<M>()
        } else if class == self.collision_type {
            self.in_collision::<M>()
        } else {
            Err(ContextOutcome::UnexpectedType)
        }
    }

    /// A slot is a key and its value, or NULL and a child.
    #[inline(always)]
    fn in_bitmap<M: Access>(&self) -> Walk<Step> {
        let bitmap = M::read::<u32>(self.node.wrapping_add(BITMAP))?;
        let bit = 1u32 << (self.hash & 0x1f);
        if bitmap & bit == 0 {
            return Err(ContextOutcome::NoActiveSpan);
        }
        let before = u64::from((bitmap & (bit - 1)).count_ones());
        let [key, value] = M::read::<[u64; 2]>(self.node.wrapping_add(SLOTS + 16 * before))?;
        if key == 0 {
            Ok(Step::Child(value))
        } else if key == self.key {
            Ok(Step::Value(value))
        } else {
            Err(ContextOutcome::NoActiveSpan)
        }
    }

    #[inline(always)]
    fn in_array<M: Access>(&self) -> Walk<Step> {
        let index = u64::from(self.hash & 0x1f);
        match M::read::<u64>(self.node.wrapping_add(CHILDREN + 8 * index))? {
            0 => Err(ContextOutcome::NoActiveSpan),
            child => Ok(Step::Child(child)),
        }
    }

    #[inline(always)]
    fn in_collision<M: Access>(&self) -> Walk<Step> {
        let pairs = M::read::<u64>(self.node.wrapping_add(OB_SIZE))? / 2;
        for pair in 0..MAX_COLLISIONS {
            if pair >= pairs {
                return Err(ContextOutcome::NoActiveSpan);
            }
            let [key, value] = M::read::<[u64; 2]>(self.node.wrapping_add(SLOTS + 16 * pair))?;
            if key == self.key {
                return Ok(Step::Value(value));
            }
        }
        Err(ContextOutcome::TooLarge)
    }
}
