//! The kernel's `task_struct`, as tracepoints hand it over.

use aya_ebpf::programs::BtfTracePointContext;

/// Offset of `task_struct.pid`; the agent sets it before the programs are loaded, so that the verifier
/// knows the number and allows a plain load.
#[unsafe(no_mangle)]
static TASK_PID: u32 = 0;
/// Offset of `task_struct.tgid`, likewise.
#[unsafe(no_mangle)]
static TASK_TGID: u32 = 0;

/// A thread that need not be the current one.
#[derive(Clone, Copy)]
pub struct Task(*const u8);

impl Task {
    /// The tracepoint's argument `index`, which must be a `struct task_struct *`.
    #[inline(always)]
    pub fn argument(ctx: &BtfTracePointContext, index: usize) -> Self {
        Self(ctx.arg(index))
    }

    /// Its thread id in the root pid namespace.
    #[inline(always)]
    pub fn pid(self) -> u32 {
        self.word(&TASK_PID)
    }

    /// Its process id in the root pid namespace.
    #[inline(always)]
    pub fn tgid(self) -> u32 {
        self.word(&TASK_TGID)
    }

    #[inline(always)]
    fn word(self, offset: &'static u32) -> u32 {
        // SAFETY: the static is what the agent has set, which the compiler cannot know; the task lives as
        // long as this program runs, and the verifier checks that a member lies at the offset.
        unsafe {
            let offset = core::ptr::from_ref(offset).read_volatile() as usize;
            self.0.add(offset).cast::<u32>().read_volatile()
        }
    }
}
