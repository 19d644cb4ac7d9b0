//! The harness of the live tests, the demo and the bench: real services, the real binary, and the
//! truth that the services themselves write.

pub mod agent;
pub mod catalogue;
pub mod collector;
pub mod control_group;
pub mod coverage;
pub mod gate;
pub mod http;
pub mod judge;
pub mod kernel_state;
pub mod llama;
pub mod load;
pub mod native;
pub mod native_clock;
pub mod otlp;
pub mod paths;
pub mod process;
pub mod python;
pub mod service;
pub mod stretches;
pub mod truth;
mod wheels;
