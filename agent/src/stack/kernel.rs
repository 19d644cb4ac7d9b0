//! The part of a stack that is in the kernel.

use std::rc::Rc;

use hotspan_common::{MAX_KERNEL_FRAMES, SampleEvent};
use hotspan_synth::event::{Frame, Language};

use super::functions::{Described, FunctionTable};
use crate::symbolize::KernelSymbols;

/// What the kernel's frames are said to be of, and those without a name are called.
const KERNEL: &str = "[kernel]";

/// Where the kernel switches threads; its tracepoint is inside.
const SCHEDULER: &str = "__schedule";

/// The kernel's functions.
#[derive(Default)]
pub(super) struct KernelFrames {
    /// Read when the first stack has such frames.
    symbols: Option<KernelSymbols>,
    /// Frames that the kernel has no name for.
    pub unnamed: u64,
}

impl KernelFrames {
    /// Those of a sample, outermost first.
    pub fn of(&mut self, event: &SampleEvent, functions: &mut FunctionTable) -> Vec<Frame> {
        let count = (event.kernel_len as usize).min(MAX_KERNEL_FRAMES);
        let names: Vec<Rc<str>> = (event.kernel[..count].iter())
            .map(|address| self.name(*address))
            .collect();
        let frames = names[tracing(&names)..].iter().rev();
        let frames = frames.filter_map(|name| {
            let function = functions.number(described(name))?;
            Some(Frame { function, line: 0 })
        });
        frames.collect()
    }

    fn name(&mut self, address: u64) -> Rc<str> {
        let symbols = self.symbols.get_or_insert_default();
        symbols.name(address).unwrap_or_else(|| {
            self.unnamed += 1;
            KERNEL.into()
        })
    }
}

/// How many of the innermost frames are hotspan's own program and what runs it, as a thread leaves the CPU.
fn tracing(names: &[Rc<str>]) -> usize {
    let scheduler = names.iter().position(|name| &**name == SCHEDULER);
    scheduler.unwrap_or(0)
}

fn described(name: &str) -> Described {
    Described {
        language: Language::Kernel,
        name: name.to_owned(),
        qualified: name.to_owned(),
        file: String::new(),
        object: KERNEL.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<Rc<str>> {
        names.iter().map(|name| (*name).into()).collect()
    }

    #[test]
    fn a_switch_begins_where_the_kernel_makes_it() {
        let switch = [
            "bpf_prog_sched_switch",
            "__traceiter_sched_switch",
            "__schedule",
            "schedule",
        ];
        assert_eq!(tracing(&names(&switch)), 2);
    }

    #[test]
    fn what_a_tick_interrupted_is_whole() {
        assert_eq!(tracing(&names(&["vfs_read", "ksys_read"])), 0);
    }
}
