//! Where the board is shown: in place on a terminal, one block after the other elsewhere.

use std::{
    io::{self, IsTerminal, Write},
    panic,
    sync::Once,
};

use crossterm::{
    cursor::{Hide, MoveTo, Show},
    execute, queue,
    style::ResetColor,
    terminal::{
        Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode,
        enable_raw_mode,
    },
};

use super::{Board, render};
use crate::{
    run::say,
    terminal::style::{Style, terminal_height, terminal_width},
};

/// Columns of a line where there is no window: nothing needs to be cut but what is endless.
const COLUMNS: usize = 400;

/// Standard output. On a terminal, everything is as it was once this is dropped, also by a panic.
pub struct Screen {
    what: String,
    style: Style,
    alternate: Option<Alternate>,
}

impl Screen {
    /// A screen that shows the requests of `what`; `in_place`: over and over on the same spot, if standard
    /// output is a terminal.
    ///
    /// # Errors
    /// The terminal does not do as it is told.
    pub fn new(what: String, in_place: bool) -> io::Result<Self> {
        let in_place = in_place && io::stdout().is_terminal();
        Ok(Self {
            what,
            style: Style::of_stdout(),
            alternate: in_place.then(Alternate::enter).transpose()?,
        })
    }

    /// Shows what the board knows now.
    ///
    /// # Errors
    /// Nobody reads standard output any more.
    pub fn draw(&self, board: &Board) -> io::Result<()> {
        let columns = if io::stdout().is_terminal() {
            terminal_width()
        } else {
            COLUMNS
        };
        let text = render(&self.what, board, columns, self.style);
        if self.alternate.is_some() {
            return in_place(&text);
        }
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())?;
        out.flush()
    }
}

/// As many lines as fit, what was said meanwhile at the bottom. In raw mode a line feed does not return.
fn in_place(text: &str) -> io::Result<()> {
    let height = terminal_height();
    let said = say::held();
    let said = said.iter().rev().take(height / 4).rev();
    let said: Vec<&str> = said.map(String::as_str).collect();
    let room = height.saturating_sub(said.len() + 1);
    let mut out = io::stdout().lock();
    queue!(out, MoveTo(0, 0), Clear(ClearType::FromCursorDown))?;
    for line in text.lines().take(room).chain(said) {
        write!(out, "{line}\r\n")?;
    }
    write!(out, "q quits")?;
    out.flush()
}

/// The terminal's other screen, with keys as they come, and what is said kept for later.
struct Alternate;

impl Alternate {
    fn enter() -> io::Result<Self> {
        restore_at_a_panic();
        enable_raw_mode()?;
        say::hold();
        // From here on, a failure restores it.
        let entered = Self;
        execute!(io::stdout(), EnterAlternateScreen, Hide)?;
        Ok(entered)
    }
}

impl Drop for Alternate {
    fn drop(&mut self) {
        restore();
        say::release();
    }
}

/// Best effort: a terminal that is gone needs nothing any more.
fn restore() {
    let _ = execute!(io::stdout(), ResetColor, Show, LeaveAlternateScreen);
    let _ = disable_raw_mode();
}

/// The message is to be seen where it can be read.
fn restore_at_a_panic() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let report = panic::take_hook();
        panic::set_hook(Box::new(move |what| {
            restore();
            report(what);
        }));
    });
}
