//! Whether programs can have shadow stacks here.
//!
//! Where a probed `call` is emulated, kernels push its return address to the stack alone, and not to the shadow stack,
//! before some release after 6.17 (`branch_emulate_op` in `arch/x86/kernel/uprobes.c`): the callee's `ret` would then
//! kill the program. A program turns its shadow stack on as it starts, maybe after it was armed.

use std::{fs, sync::OnceLock};

/// Whether the processor has shadow stacks for programs, and the kernel offers them; true if that is not known.
pub fn are_possible() -> bool {
    static KNOWN: OnceLock<bool> = OnceLock::new();
    *KNOWN.get_or_init(|| fs::read_to_string("/proc/cpuinfo").map_or(true, |text| offers(&text)))
}

/// By the flags of the processors.
fn offers(cpuinfo: &str) -> bool {
    let flags = cpuinfo.lines().filter(|line| line.starts_with("flags"));
    let mut flags = flags.flat_map(str::split_whitespace).peekable();
    flags.peek().is_none() || flags.any(|flag| flag == "user_shstk")
}

#[cfg(test)]
mod tests {
    use super::offers;

    #[test]
    fn by_the_processors_flags() {
        assert!(!offers("processor\t: 0\nflags\t\t: fpu vme shstk ibt\n"));
        assert!(offers(
            "flags : fpu\nprocessor : 1\nflags : fpu user_shstk\n"
        ));
        // Nothing is known of its processors.
        assert!(offers("processor : 0\n"));
    }
}
