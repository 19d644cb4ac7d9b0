//! Lookup in a HAMT (`Python/hamt.c`), the immutable map behind a `PyContext`, from user space; the kernel
//! programs' is in `ebpf/src/context/hamt.rs`.

use hotspan_common::PythonLayout;

use super::heap::{Heap, HeapError};

/// `PyObject.ob_type`.
const OB_TYPE: u64 = 8;
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

/// What a node says.
enum Step {
    Value(u64),
    Child(u64),
    Nothing,
}

/// The value of OpenTelemetry's variable in the map whose root node is `root`; `None` if it is not there.
///
/// # Errors
/// What lies there is no such map.
pub(super) fn value_of_context_var(
    heap: &Heap<'_>,
    layout: &PythonLayout,
    root: u64,
) -> Result<Option<u64>, HeapError> {
    let (mut node, mut hash) = (root, layout.context_var_hash);
    for _ in 0..MAX_LEVELS {
        match step(heap, layout, node, hash)? {
            Step::Value(value) => return Ok(Some(value)),
            Step::Nothing => return Ok(None),
            Step::Child(child) => (node, hash) = (child, hash >> 5),
        }
    }
    Err(malformed(root, "a map of too many levels"))
}

fn step(heap: &Heap<'_>, layout: &PythonLayout, node: u64, hash: u32) -> Result<Step, HeapError> {
    let class = heap.word(node.wrapping_add(OB_TYPE))?;
    if class == layout.bitmap_node_type {
        in_bitmap(heap, layout, node, hash)
    } else if class == layout.array_node_type {
        let index = u64::from(hash & 0x1f);
        let child = heap.word(node.wrapping_add(CHILDREN + 8 * index))?;
        Ok(if child == 0 {
            Step::Nothing
        } else {
            Step::Child(child)
        })
    } else if class == layout.collision_node_type {
        in_collision(heap, layout, node)
    } else {
        Err(malformed(node, "a node of no known kind"))
    }
}

/// A slot is a key and its value, or NULL and a child.
fn in_bitmap(
    heap: &Heap<'_>,
    layout: &PythonLayout,
    node: u64,
    hash: u32,
) -> Result<Step, HeapError> {
    let bitmap = heap.word(node.wrapping_add(BITMAP))? as u32;
    let bit = 1_u32 << (hash & 0x1f);
    if bitmap & bit == 0 {
        return Ok(Step::Nothing);
    }
    let before = u64::from((bitmap & (bit - 1)).count_ones());
    let (key, value) = pair(heap, node, before)?;
    Ok(match key {
        0 => Step::Child(value),
        key if key == layout.context_var => Step::Value(value),
        _ => Step::Nothing,
    })
}

fn in_collision(heap: &Heap<'_>, layout: &PythonLayout, node: u64) -> Result<Step, HeapError> {
    let pairs = heap.word(node.wrapping_add(OB_SIZE))? / 2;
    for index in 0..pairs.min(MAX_COLLISIONS) {
        let (key, value) = pair(heap, node, index)?;
        if key == layout.context_var {
            return Ok(Step::Value(value));
        }
    }
    if pairs > MAX_COLLISIONS {
        return Err(malformed(node, "too many keys of one hash"));
    }
    Ok(Step::Nothing)
}

fn pair(heap: &Heap<'_>, node: u64, index: u64) -> Result<(u64, u64), HeapError> {
    let words = heap.words(node.wrapping_add(SLOTS + 16 * index), 2)?;
    Ok((words[0], words[1]))
}

fn malformed(address: u64, what: &'static str) -> HeapError {
    HeapError::Malformed { address, what }
}
