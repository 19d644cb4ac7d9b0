//! Where in a call tree something is chosen, and what counts there.

/// Where in the tree something is chosen.
#[derive(Clone, Copy, Debug)]
pub(in crate::inference) struct Place {
    /// Which functions may become a span here besides the application's own.
    pub(super) others: Others,
    /// Of a chain of single callers: the handler's is named after the innermost of the application's functions, or after
    /// what the handler itself asked a library for; and what a named function called after what it called.
    pub(super) is_handlers: bool,
    /// Spans above.
    pub(super) depth: u32,
    /// Whether all functions above hold the crossing at the left, and at the right.
    pub(super) holds: (bool, bool),
}

/// Functions that are not the application's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Others {
    /// None.
    Left,
    /// Those that samples show, not waits alone: what a handler calls.
    Sampled,
    /// All: nothing of the application's is above, or some of it is beside.
    Taken,
}

impl Place {
    /// In a region or on a worker, with nothing of the application's above.
    pub const OUTERMOST: Self = Self {
        others: Others::Taken,
        is_handlers: false,
        depth: 1,
        holds: (false, false),
    };
    /// Below a span, where nothing but the application's own functions counts.
    pub const BELOW: Self = Self {
        others: Others::Left,
        ..Self::OUTERMOST
    };
}
