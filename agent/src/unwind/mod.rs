//! Native stacks, from copied registers and stack bytes.
//!
//! [`AddressSpace`] says what lies at an address of a target, [`CodeObject`] is a mapped file's unwind
//! information, read and not mapped, shared by all targets through [`ObjectStore`]; [`walk`] goes from
//! caller to caller. A step is taken only if the object's own unwind information covers it: framehop would
//! follow the frame pointer where there is none, and most code that is compiled today uses that register for
//! something else. Where nothing covers it, a call must be shown: by the word at the stack pointer (`proof`), or by what the
//! function's own code does with the stack (`flow`). Why a walk ended is a [`Stop`], and counted.

mod expression;
mod flow;
mod object;
mod proof;
mod space;
mod stop;
mod store;
mod walk;

pub use object::{CodeObject, Covering, Step};
pub use space::{AddressSpace, Place};
pub use stop::{Stop, StopCounts};
pub use store::ObjectStore;
pub use walk::{NativeFrame, Registers, StackCopy, Walk, Walker};
