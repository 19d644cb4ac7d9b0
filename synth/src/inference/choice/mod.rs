//! Which functions become spans.
//!
//! What a thread's segment shows is made a call tree (`tree`). The functions in it that a person would name (`naming`) become findings
//! (`choose`, `phases` beside regions, `brief` ones beside long ones), what is left of their time is named after what it lies beside (`rest`), and
//! each says what it is of (`describe`, `native`, `kernel`).

mod brief;
mod calls;
pub(super) mod choose;
mod describe;
pub(super) mod findings;
mod kernel;
mod naming;
pub(super) mod native;
mod phases;
pub(super) mod place;
mod rest;
pub(super) mod tree;
