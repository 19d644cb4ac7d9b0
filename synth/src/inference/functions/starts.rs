//! The native functions in which programs and threads start.

/// What makes threads, and is where they start.
const CLONES: &[&str] = &["clone", "clone3", "__clone", "__clone3"];

/// Where threads start besides.
const THREAD_STARTS: &[&str] = &[
    "execute_native_thread_routine",
    "pythread_wrapper",
    "start_thread",
    "thread_run",
    "thread_start",
];

/// What starts programs.
const STARTS: &[&str] = &[
    "__libc_start_call_main",
    "__libc_start_main",
    "__libc_start_main_impl",
    "_start",
    "main",
];

/// Whether it makes threads, and is where they start.
pub(super) fn is_clone(name: &str) -> bool {
    CLONES.contains(&name)
}

/// Whether a thread starts there.
pub(super) fn is_thread_start(name: &str) -> bool {
    is_clone(name) || THREAD_STARTS.contains(&name)
}

/// Whether a program or a thread starts there.
pub(super) fn is_start(name: &str) -> bool {
    STARTS.contains(&name) || is_thread_start(name)
}
