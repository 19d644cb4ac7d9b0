//! Where in a stack the handler begins: below servers, event loops and middleware.

use super::{Functions, Layer, role::Role};
use crate::event::{Frame, Language};

impl Functions {
    /// Where the frames begin that are not the chain above a handler.
    pub fn handler(&self, stack: &[Frame]) -> usize {
        let first = self.first_own(stack);
        self.behind_server(stack, first).unwrap_or(first)
    }

    /// The same where a program has started its server itself: what did that is above all handlers. `first` is where the frames
    /// begin that are no framework's.
    fn behind_server(&self, stack: &[Frame], first: usize) -> Option<usize> {
        let role = |frame: &Frame| self.traits(frame.function).and_then(|traits| traits.role);
        let (above, own) = stack.split_at_checked(first)?;
        let is_called = |role| matches!(role, Role::Server | Role::Loop);
        if above.iter().filter_map(role).any(is_called) {
            return None;
        }
        // A handler may have a loop of its own on a thread that it was handed to.
        let in_thread = above
            .iter()
            .filter_map(role)
            .any(|role| role == Role::Thread);
        let serves = |frame: &Frame| match role(frame) {
            Some(Role::Server) => true,
            Some(Role::Loop) => !in_thread,
            _ => false,
        };
        let server = first + own.iter().position(serves)?;
        let below = stack.get(server..)?;
        let handler = server + self.first_own(below);
        // What waits for a loop that waits itself is what started it.
        let turns = |frame: &Frame| match role(frame) {
            Some(role) => role != Role::Thread,
            None => !self.is_python(frame.function),
        };
        (handler < stack.len() || !below.iter().all(turns)).then_some(handler)
    }

    /// Where the first frames are that are no framework's; the stack's length, if nowhere.
    fn first_own(&self, stack: &[Frame]) -> usize {
        let mut has_python = false;
        let mut first_native = None;
        for (index, frame) in stack.iter().enumerate() {
            let Some(traits) = self.traits(frame.function) else {
                continue;
            };
            let is_python = traits.language == Language::Python;
            has_python |= is_python;
            match (traits.layer, is_python) {
                (Layer::Framework, _) => {}
                (_, true) => return index,
                (_, false) => first_native = first_native.or(Some(index)),
            }
        }
        // What is native above Python's frames called the interpreter.
        first_native.filter(|_| !has_python).unwrap_or(stack.len())
    }
}
