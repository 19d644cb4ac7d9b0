//! One thing that was checked.

use serde::Serialize;

/// What a check is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Section {
    /// The host, the same for all targets.
    Host,
    /// The target.
    Target,
    /// Where hotspan's spans go.
    Export,
}

/// What came of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// Nothing to be judged, but worth knowing.
    Note,
    /// Something works less well, or may be why spans are missing.
    Warn,
    /// Without it there are no spans.
    Missing,
}

/// One thing that was checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What it is about.
    pub section: Section,
    /// What was checked, in a word or two; stable, for programs.
    pub name: &'static str,
    /// What came of it.
    pub verdict: Verdict,
    /// What was found, in one line.
    pub what: String,
    /// What to do about it, in one line.
    pub remedy: Option<String>,
}

impl Section {
    pub(super) fn ok(self, name: &'static str, what: impl Into<String>) -> Check {
        self.check(name, Verdict::Ok, what.into(), None)
    }

    pub(super) fn note(self, name: &'static str, what: impl Into<String>) -> Check {
        self.check(name, Verdict::Note, what.into(), None)
    }

    pub(super) fn warn(
        self,
        name: &'static str,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Check {
        self.check(name, Verdict::Warn, what.into(), Some(remedy.into()))
    }

    pub(super) fn missing(
        self,
        name: &'static str,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Check {
        self.check(name, Verdict::Missing, what.into(), Some(remedy.into()))
    }

    fn check(
        self,
        name: &'static str,
        verdict: Verdict,
        what: String,
        remedy: Option<String>,
    ) -> Check {
        Check {
            section: self,
            name,
            verdict,
            what,
            remedy,
        }
    }
}
