//! Where in a stack the handler begins: below servers, event loops and middleware; and whose what is above it is.

use super::{
    Functions, Layer,
    role::{self, Role},
};
use crate::event::{Frame, Language};

impl Functions {
    /// Where the frames begin that are not the chain above a handler.
    pub fn handler(&self, stack: &[Frame]) -> usize {
        let starts = |frame: &Frame| self.role(*frame) == Some(Role::Process);
        let forked = stack.iter().rposition(starts).map_or(0, |start| start + 1);
        let stack = stack.get(forked..).unwrap_or_default();
        let first = self.first_own(stack);
        forked + self.behind_server(stack, first).unwrap_or(first)
    }

    /// The same where a program has started its server itself: what did that is above all handlers. `first` is where the frames
    /// begin that are no framework's.
    fn behind_server(&self, stack: &[Frame], first: usize) -> Option<usize> {
        let (above, own) = stack.split_at_checked(first)?;
        let is_above = |role: Role| above.iter().any(|frame| self.role(*frame) == Some(role));
        if is_above(Role::Server) || is_above(Role::Loop) {
            return None;
        }
        // A handler may have a loop of its own on a thread that it was handed to.
        let in_thread = is_above(Role::Thread);
        let serves = |frame: &Frame| match self.role(*frame) {
            Some(Role::Server) => true,
            Some(Role::Loop) => !in_thread,
            _ => false,
        };
        let started = first + own.iter().position(serves)?;
        let below = stack.get(started..)?;
        let handler = started + self.first_own(below);
        // What waits for a loop that waits itself is what started it.
        let waits = handler == stack.len() && below.iter().all(|frame| self.only_waits(*frame));
        (!waits).then_some(handler)
    }

    fn role(&self, frame: Frame) -> Option<Role> {
        self.traits(frame.function).and_then(|traits| traits.role)
    }

    /// Whether it is a server's or a loop's own, or native.
    fn only_waits(&self, frame: Frame) -> bool {
        match self.role(frame) {
            Some(role) => matches!(role, Role::Server | Role::Loop),
            None => !self.is_python(frame.function),
        }
    }

    /// Whether a stack that shows nothing of a handler's is of what is nobody's, see [`role::is_between_jobs`].
    pub fn is_between_jobs(&self, stack: &[Frame]) -> bool {
        let known = stack
            .iter()
            .rev()
            .filter_map(|frame| self.traits(frame.function));
        let python = known.filter(|traits| traits.language == Language::Python);
        role::is_between_jobs(python.map(|traits| traits.role))
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
