//! The report for people.

use std::fmt::Write as _;

use super::{Check, Report, Section, Verdict};

const TITLES: [(Section, &str); 3] = [
    (Section::Host, "This host"),
    (Section::Target, "The target"),
    (Section::Export, "Where spans go"),
];

/// Signs that the terminal can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Glyphs {
    /// `✓ · ! ✗`
    Unicode,
    /// `+ . ! x`
    Ascii,
}

impl Glyphs {
    /// By the locale, from `LC_ALL`, `LC_CTYPE` and `LANG` as POSIX ranks them.
    pub fn from_locale(lookup: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name: &&str| lookup(name).filter(|value| !value.is_empty());
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(set);
        let locale = locale.unwrap_or_default().to_lowercase();
        if locale.contains("utf-8") || locale.contains("utf8") {
            Self::Unicode
        } else {
            Self::Ascii
        }
    }

    fn of(self, verdict: Verdict) -> char {
        match (self, verdict) {
            (Self::Unicode, Verdict::Ok) => '✓',
            (Self::Unicode, Verdict::Note) => '·',
            (Self::Unicode, Verdict::Missing) => '✗',
            (Self::Ascii, Verdict::Ok) => '+',
            (Self::Ascii, Verdict::Note) => '.',
            (Self::Ascii, Verdict::Missing) => 'x',
            (_, Verdict::Warn) => '!',
        }
    }

    fn arrow(self) -> &'static str {
        match self {
            Self::Unicode => "→",
            Self::Ascii => "->",
        }
    }
}

impl Report {
    /// The report as text, a line a check and one below it for what to do, ending with a summary.
    pub fn to_text(&self, glyphs: Glyphs) -> String {
        let width = self.checks.iter().map(|check| check.name.len()).max();
        let width = width.unwrap_or_default();
        let mut text = String::new();
        for (section, title) in TITLES {
            let checks = self.checks.iter().filter(|check| check.section == section);
            let lines: String = checks.map(|check| lines(check, glyphs, width)).collect();
            if !lines.is_empty() {
                // Writing to a String cannot fail.
                let _ = writeln!(text, "{title}\n{lines}");
            }
        }
        text + &self.summary()
    }

    fn summary(&self) -> String {
        let mut summary = if self.allows_live_tracing() {
            "Live tracing: allowed.".to_owned()
        } else {
            let missing = count(self, Section::Host, Verdict::Missing);
            format!("Live tracing: not allowed, {missing} missing on this host.")
        };
        if self
            .checks
            .iter()
            .any(|check| check.section == Section::Target)
        {
            let missing = count(self, Section::Target, Verdict::Missing);
            let warnings = count(self, Section::Target, Verdict::Warn);
            // Writing to a String cannot fail.
            let _ = match (missing, warnings) {
                (0, 0) => write!(summary, " The target: nothing stands against spans."),
                (0, _) => write!(
                    summary,
                    " The target: {warnings} of the above may cost spans."
                ),
                _ => write!(
                    summary,
                    " The target: no spans, for {missing} of the above."
                ),
            };
        }
        summary + "\n"
    }
}

fn count(report: &Report, section: Section, verdict: Verdict) -> usize {
    report.with(section, verdict).count()
}

fn lines(check: &Check, glyphs: Glyphs, width: usize) -> String {
    let glyph = glyphs.of(check.verdict);
    let mut lines = format!("  {glyph} {:<width$}  {}\n", check.name, check.what);
    if let Some(remedy) = &check.remedy {
        let indent = " ".repeat(width + 6);
        // Writing to a String cannot fail.
        let _ = writeln!(lines, "{indent}{} {remedy}", glyphs.arrow());
    }
    lines
}
