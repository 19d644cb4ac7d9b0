//! All checks together.

use serde::Serialize;

use super::{Check, Section, Verdict};
use crate::args::{AgentError, Exit};

/// Everything that was checked, host first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The checks.
    pub checks: Vec<Check>,
}

#[derive(Serialize)]
struct Json<'a> {
    live_tracing: bool,
    checks: &'a [Check],
}

impl Report {
    /// The checks of this section that came out so.
    pub fn with(&self, section: Section, verdict: Verdict) -> impl Iterator<Item = &Check> {
        let wanted = move |check: &&Check| check.section == section && check.verdict == verdict;
        self.checks.iter().filter(wanted)
    }

    /// Whether this host allows live tracing.
    pub fn allows_live_tracing(&self) -> bool {
        self.with(Section::Host, Verdict::Missing).next().is_none()
    }

    /// How `hotspan doctor` ends: [`Exit::Done`] if the host allows live tracing, whatever there is
    /// to say of the target; else [`Exit::NotPermitted`].
    pub fn exit(&self) -> Exit {
        if self.allows_live_tracing() {
            Exit::Done
        } else {
            Exit::NotPermitted
        }
    }

    /// What keeps hotspan from tracing on this host, as the error of those commands that trace.
    pub fn refusal(&self) -> Option<AgentError> {
        let lines: Vec<String> = self
            .with(Section::Host, Verdict::Missing)
            .map(|check| {
                let remedy = check.remedy.as_deref().unwrap_or_default();
                format!("  {}: {}\n    {remedy}", check.name, check.what)
            })
            .collect();
        (!lines.is_empty()).then(|| {
            let lines = lines.join("\n");
            AgentError::NotPermitted(format!("this host does not allow tracing\n{lines}"))
        })
    }

    /// One JSON object: `live_tracing`, and `checks` with `section`, `name`, `verdict`, `what`,
    /// `remedy` (or null).
    pub fn to_json(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(&Json {
            live_tracing: self.allows_live_tracing(),
            checks: &self.checks,
        })
    }
}
