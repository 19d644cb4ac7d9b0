//! The live tests: real services on real libraries, the real binary, root and BPF.
//!
//! Where `hotspan doctor` says that live probes are possible, they run; elsewhere each says loudly
//! that it was not covered. They run one at a time, by a lock.

mod assembly;
mod attributes;
mod births;
mod bounds;
mod cuda;
mod disk;
mod engine;
mod examples;
mod export;
mod faults;
mod guard;
mod hardship;
mod input;
mod interpreters;
mod kernel_frames;
mod leaves;
mod lifecycle;
mod llama;
mod looks;
mod memory;
mod onnx;
mod own_server;
mod parents;
mod processes;
mod promotion;
mod recording;
mod sampling;
mod scene;
mod spared;
mod thread_context;
mod tokenizers;
mod top;
mod torch;
mod torture;
mod workers;
