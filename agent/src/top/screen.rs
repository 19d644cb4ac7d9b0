//! Where the board is shown: redrawn in place on a terminal, one block after the other elsewhere.

use std::io::{self, IsTerminal, Write};

use super::{Board, render};
use crate::terminal::style::{Style, terminal_width};

/// Cursor to the top left, and everything from there on erased (ECMA-48).
const HOME_AND_CLEAR: &str = "\x1b[H\x1b[J";

/// Standard output.
pub struct Screen {
    what: String,
    style: Style,
    is_terminal: bool,
}

impl Screen {
    /// A screen that shows the requests of `what`.
    pub fn new(what: String) -> Self {
        Self {
            what,
            style: Style::of_stdout(),
            is_terminal: io::stdout().is_terminal(),
        }
    }

    /// Shows what the board knows now.
    ///
    /// # Errors
    /// Nobody reads standard output any more.
    pub fn draw(&self, board: &Board) -> io::Result<()> {
        let text = render(&self.what, &board.rows(), terminal_width(), self.style);
        let mut out = io::stdout().lock();
        if self.is_terminal {
            out.write_all(HOME_AND_CLEAR.as_bytes())?;
        }
        out.write_all(text.as_bytes())?;
        out.flush()
    }
}
