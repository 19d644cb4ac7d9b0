//! The readers of `CPython`'s heap against live interpreters, which print the truth about themselves.

mod churn;
mod code;
mod interpreters;
mod objects;
mod opentelemetry;
