//! Processes: how they are named, what they map, in which namespaces they live.

mod describe;
mod elf;
mod error;
mod find;
mod listen;
pub mod mapping;
mod maps;
mod namespace;
mod process;
mod select;
mod status;
mod tree;

pub use describe::Candidate;
pub use elf::{Bitness, ElfIdentity};
pub use error::TargetError;
pub use find::find_by_name;
pub use listen::{find_by_port, listening_ports};
pub use namespace::{Namespace, NamespaceKind};
pub use process::Process;
pub use select::Selector;
pub use status::status_field;
pub use tree::{Family, tree};

#[cfg(test)]
mod tests;
