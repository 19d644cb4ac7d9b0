//! Which frames of a stack are evidence of what.

use std::sync::Arc;

use super::Functions;
use crate::event::Frame;

/// Frames, outermost first: shared by all that is made of them.
pub(in crate::inference) type Stack = Arc<[Frame]>;

/// Frames of a stack that are looked at; what lies deeper is no span of its own.
const MAX_FRAMES: usize = 192;

/// Drops frames of the kernel, and those above the handler.
pub(in crate::inference) fn handler_frames(stack: &[Frame], functions: &Functions) -> Stack {
    frames_from(functions.handler(stack), stack, functions)
}

/// The same, if it is known where the handler begins. What `import` is made of is left out: whoever imports a module calls its
/// body.
pub(in crate::inference) fn frames_from(
    from: usize,
    stack: &[Frame],
    functions: &Functions,
) -> Stack {
    let (of_user, _) = apart(stack, functions);
    let inside = of_user.get(from..).unwrap_or_default();
    let calls = inside.iter().skip(1).map(Some).chain([None]);
    let called = inside.iter().zip(calls).filter(|(frame, calls)| {
        let imports = |frame: &Frame| functions.imports(frame.function);
        // It is native, and calls the rest.
        let is_builtin = functions.is_runtimes(frame.function) && calls.is_some_and(imports);
        !is_builtin && !imports(frame)
    });
    called.map(|(frame, _)| *frame).take(MAX_FRAMES).collect()
}

/// Those of the kernel.
pub(in crate::inference) fn kernel_frames(stack: &[Frame], functions: &Functions) -> Vec<Frame> {
    apart(stack, functions).1.to_vec()
}

/// A stack's frames and those of the kernel, which stand below all others.
fn apart<'a>(stack: &'a [Frame], functions: &Functions) -> (&'a [Frame], &'a [Frame]) {
    let is_users = |frame: &Frame| !functions.is_kernel(frame.function);
    let end = stack.iter().rposition(is_users).map_or(0, |last| last + 1);
    stack.split_at(end)
}
