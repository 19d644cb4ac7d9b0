//! The static type objects that the walk meets.

use super::{
    ContextRefusal,
    data::{OB_TYPE, writable_data},
    layout::Version,
};
use crate::context::{image::Image, memory::Memory};

/// Addresses of types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TypeAddresses {
    /// `PyContext_Type`.
    pub context: u64,
    /// `_PyHamt_BitmapNode_Type`.
    pub bitmap_node: u64,
    /// `_PyHamt_ArrayNode_Type`.
    pub array_node: u64,
    /// `_PyHamt_CollisionNode_Type`.
    pub collision_node: u64,
    /// `PyCode_Type`.
    pub code: Option<u64>,
    /// `PyCoro_Type`.
    pub coroutine: Option<u64>,
    /// `PyGen_Type`.
    pub generator: Option<u64>,
}

/// Finds the types by their names in the interpreter's own data: the nodes' types are not exported,
/// and a stripped build has no other symbols.
pub fn find(
    memory: &Memory,
    image: &Image<'_>,
    version: Version,
) -> Result<TypeAddresses, ContextRefusal> {
    let missing = |what| ContextRefusal::LayoutMismatch { version, what };
    let data = writable_data(memory, image)?;
    let context = image
        .symbol_address("PyContext_Type")
        .ok_or(missing("there is no PyContext_Type"))?;
    let metatype = memory.read_u64(context + OB_TYPE)?;
    if metatype == 0 {
        return Err(ContextRefusal::NotInitialised);
    }
    let find = |name, what| {
        let names = image.find_constant(name);
        data.iter()
            .find_map(|part| part.type_named(&names, metatype))
            .ok_or(missing(what))
    };
    Ok(TypeAddresses {
        context,
        bitmap_node: find(b"hamt_bitmap_node\0", "there is no type hamt_bitmap_node")?,
        array_node: find(b"hamt_array_node\0", "there is no type hamt_array_node")?,
        collision_node: find(
            b"hamt_collision_node\0",
            "there is no type hamt_collision_node",
        )?,
        code: image.symbol_address("PyCode_Type"),
        coroutine: image.symbol_address("PyCoro_Type"),
        generator: image.symbol_address("PyGen_Type"),
    })
}
