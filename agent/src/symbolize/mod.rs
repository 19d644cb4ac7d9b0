//! Names: of symbols, demangled, short, never templated; of addresses, by blazesym.

mod copy;
mod kernel;
mod names;
mod object;
mod perf_map;
mod store;

pub use kernel::KernelSymbols;
pub use names::{function_name, short_name};
pub use object::{NativeName, ObjectSymbols};
pub use perf_map::{PerfMap, PerfMapError};
pub use store::SymbolStore;

#[cfg(test)]
mod tests;
