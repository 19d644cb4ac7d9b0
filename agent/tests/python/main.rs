//! The readers of `CPython`'s heap against live interpreters, which print the truth about themselves.

#[path = "../stacks/capture.rs"]
mod capture;
mod churn;
mod code;
mod damaged;
mod interpreters;
#[path = "../stacks/named.rs"]
mod named;
mod objects;
mod opentelemetry;
mod stacks;
mod threads;
