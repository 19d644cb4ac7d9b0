//! The kernel's structs, `task_struct` above all, as tracepoints and helpers hand them over.

use aya_ebpf::programs::BtfTracePointContext;

/// Declares an offset in a struct of the kernel's. The agent sets it before the programs are loaded, so
/// that the verifier knows the number and allows a plain load.
macro_rules! place {
    ($(#[$meta:meta])* $name:ident, $reader:ident) => {
        #[unsafe(no_mangle)]
        static $name: u32 = 0;

        $(#[$meta])*
        #[inline(always)]
        fn $reader() -> usize {
            // SAFETY: the static is what the agent has set, which the compiler cannot know.
            unsafe { core::ptr::from_ref(&$name).read_volatile() as usize }
        }
    };
}
pub(crate) use place;

place!(TASK_PID, task_pid);
place!(TASK_TGID, task_tgid);

/// A struct of the kernel's: a thread that need not be the current one, or what one points to.
#[derive(Clone, Copy)]
pub struct Task(*const u8);

impl From<*const u8> for Task {
    #[inline(always)]
    fn from(at: *const u8) -> Self {
        Self(at)
    }
}

impl Task {
    /// The tracepoint's argument `index`, which must be a `struct task_struct *`.
    #[inline(always)]
    pub fn argument(ctx: &BtfTracePointContext, index: usize) -> Self {
        Self(ctx.arg(index))
    }

    /// Its thread id in the root pid namespace.
    #[inline(always)]
    pub fn pid(self) -> u32 {
        self.word(task_pid())
    }

    /// Its process id in the root pid namespace.
    #[inline(always)]
    pub fn tgid(self) -> u32 {
        self.word(task_tgid())
    }

    /// The byte at an offset.
    #[inline(always)]
    pub fn byte(self, offset: usize) -> u8 {
        self.load(offset)
    }

    /// The `int` at an offset.
    #[inline(always)]
    pub fn word(self, offset: usize) -> u32 {
        self.load(offset)
    }

    /// The `long` at an offset.
    #[inline(always)]
    pub fn long(self, offset: usize) -> u64 {
        self.load(offset)
    }

    /// The struct that a member points to. What is read of one that is null is 0.
    #[inline(always)]
    pub fn follow(self, offset: usize) -> Self {
        Self(self.load(offset))
    }

    #[inline(always)]
    fn load<T>(self, offset: usize) -> T {
        load(self.0, offset)
    }
}

/// A member of a struct of the kernel's that a tracepoint or a helper has handed over.
#[inline(always)]
pub fn load<T>(at: *const u8, offset: usize) -> T {
    // SAFETY: the struct lives as long as this program runs or the kernel catches the fault; the
    // verifier checks that a member of this size lies at the offset.
    unsafe { at.add(offset).cast::<T>().read_volatile() }
}
