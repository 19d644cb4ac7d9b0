//! Crossings on their way: what each becomes, and whose child it is.

mod apply;
mod decide;
mod fate;
pub(crate) mod item;
pub(crate) mod known;
pub(crate) mod parents;
pub(crate) mod pending;
pub(crate) mod queue;
pub(crate) mod regions;
pub(crate) mod threads;
pub(crate) mod unattributed;
