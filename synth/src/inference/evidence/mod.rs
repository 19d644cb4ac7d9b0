//! What was seen of requests, as it comes in.
//!
//! `gather` says whose each sample, wait and crossing is, and what of it counts. `requests` are those under way, a `request` is what was
//! seen of one by thread, a `lane` one thread's part in it. What else a thread did meanwhile is known by instants (`neighbours`), and
//! what spans of the target lie in others of its own (`nested`).

mod gather;
mod instants;
pub(super) mod lane;
pub(super) mod neighbours;
pub(super) mod nested;
pub(super) mod request;
pub(super) mod requests;
mod thinning;
pub(super) mod waits;
