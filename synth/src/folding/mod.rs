//! Many crossings, one span.

pub(crate) mod called;
pub(crate) mod fold;
pub(crate) mod folded;
pub(crate) mod requests;
pub(crate) mod steps;
