//! Spans in the making, until they go out.

pub(crate) mod attributes;
pub(crate) mod finish;
pub(crate) mod identity;
pub(crate) mod limits;
pub(crate) mod making;
pub(crate) mod resources;
pub(crate) mod values;
