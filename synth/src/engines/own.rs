//! Traces of an engine's own. In a process where no span is active (an engine behind a socket, as a rule), nobody
//! can tell for which request its calls are made. They are shown all the same: each outermost call of an
//! engine is the root of a trace, under the resource of that process.

use crate::{
    crossings::{item::Item, known::Anchor, regions::KnownRegion},
    event::{Parent, Target},
    ids::TargetId,
    latest::Latest,
    region::Role,
    spans::identity::own_trace_id,
    synth::Synth,
};

/// Targets that are remembered; those that end are not told of.
const REMEMBERED: usize = 4_096;

/// What a thread answers that has no active span; all else says that it could not be asked.
const ANSWERS: [&str; 3] = ["no_active_span", "no_reader", "not_a_python_thread"];

/// Targets whose engines may begin traces.
#[derive(Debug, Default)]
pub(crate) struct OwnTraces {
    /// And whether a span has been active at one of their calls.
    targets: Latest<TargetId, bool>,
}

impl OwnTraces {
    /// Takes in what is known of a target.
    pub fn target(&mut self, target: &Target) {
        if !target.begins_traces {
            self.targets.remove(target.id);
        } else if !self.has(target.id) {
            self.targets.insert(target.id, false, REMEMBERED);
        }
    }

    /// A span was active at a call: it has requests of its own, and what is none of theirs is counted.
    pub fn has_requests(&mut self, target: TargetId) {
        if let Some(active) = self.targets.get_mut(target) {
            *active = true;
        }
    }

    /// Whether its engines begin traces, or have begun some.
    pub fn has(&self, target: TargetId) -> bool {
        self.targets.get(target).is_some()
    }

    /// Whether its engines begin traces now.
    fn begin_in(&self, target: TargetId) -> bool {
        self.targets.get(target) == Some(&false)
    }
}

impl Synth {
    /// The parent of a crossing without an active span, if it begins a trace or lies in one that did.
    pub(crate) fn own_trace(
        &self,
        item: &Item,
        region: &KnownRegion,
        reason: &str,
        around: Option<Anchor>,
    ) -> Option<Parent> {
        if let Some(around) = around {
            let own = Parent::begins(around.context.trace_id);
            return (own.context() == around.context).then_some(own);
        }
        let begins = self.own_traces.begin_in(item.key.target)
            && ANSWERS.contains(&reason)
            && is_engines(region);
        begins.then(|| Parent::begins(own_trace_id(self.settings.seed, item.key)))
    }
}

/// Whether each call of it is one of an engine's. Steps of which many make a request are none: where one request
/// ends and the next begins, nothing says.
fn is_engines(region: &KnownRegion) -> bool {
    let region = &region.region;
    region.role == Role::Span
        && region.meaning.fold.is_none()
        && (region.meaning.numbered || region.meaning.stage.is_some())
}
