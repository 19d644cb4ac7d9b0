//! Colours, and whether there are any.

use std::io::{IsTerminal, stdout};

use anstyle::{AnsiColor, Effects};

/// How text looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// Whether to colour.
    pub colour: bool,
}

/// What a piece of text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Plain,
    Faint,
    Sdk,
    Synthetic,
    Failed,
}

impl Style {
    /// Colours if standard output is a terminal that can show them and `NO_COLOR` is unset.
    pub fn of_stdout() -> Self {
        let colour = stdout().is_terminal()
            && anstyle_query::term_supports_color()
            && !anstyle_query::no_color();
        Self { colour }
    }

    /// Appends `text` as `part`.
    pub(crate) fn paint(self, out: &mut String, part: Part, text: &str) {
        let style = match part {
            Part::Plain => anstyle::Style::new(),
            Part::Faint => anstyle::Style::new().effects(Effects::DIMMED),
            Part::Sdk => AnsiColor::Blue.on_default(),
            Part::Synthetic => AnsiColor::Green.on_default(),
            Part::Failed => AnsiColor::Red.on_default(),
        };
        if self.colour && !text.trim().is_empty() {
            out.push_str(&style.render().to_string());
            out.push_str(text);
            out.push_str(&style.render_reset().to_string());
        } else {
            out.push_str(text);
        }
    }
}

/// Columns of the terminal; without one, a width that suits logs.
pub(crate) fn terminal_width() -> usize {
    terminal_size::terminal_size().map_or(100, |(width, _)| usize::from(width.0))
}

/// Lines of the terminal; 24, as of old, where it does not tell.
pub(crate) fn terminal_height() -> usize {
    terminal_size::terminal_size().map_or(24, |(_, height)| usize::from(height.0))
}
