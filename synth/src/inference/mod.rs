//! Spans that nobody's probes saw: from samples, waits, and the time beside crossings.
//!
//! Evidence is gathered by request (`evidence`): by the target's span that was current. A request whose evidence has settled (`end`) is
//! cut at its crossings, thread by thread (`segments`), laid out between them (`timeline`), and the functions that a person would name
//! (`functions`) become spans (`choice`). Crossings are emitted before that and bound everything: what is inferred lies between
//! them or inside of one, never across.

mod choice;
mod coverage;
mod emit;
mod end;
mod evidence;
mod folded;
mod functions;
mod longest;
mod segments;
mod shapes;
mod timeline;
mod workers;

pub(crate) use choice::findings::Origin;
pub use coverage::Coverage;
pub(crate) use coverage::CoverageTally;
pub(crate) use emit::Means;
pub(crate) use evidence::lane::Exact;
pub use functions::waits_for_work;

use evidence::{neighbours::Neighbours, nested::Nested, requests::Requests};
use folded::FoldedStacks;
use functions::Functions;
use shapes::Shapes;
use workers::Lives;

use crate::{
    crossings::{item::Key, known::KnownCrossings, parents::RequestKey},
    settings::Inference as Rules,
    summary::SampleUse,
    synth::Sink,
    time::KernelTime,
};

/// All evidence that has not become spans yet.
#[derive(Debug)]
pub(crate) struct Inference {
    rules: Rules,
    functions: Functions,
    requests: Requests,
    neighbours: Neighbours,
    nested: Nested,
    shapes: Shapes,
    lives: Lives,
    serial: u64,
    /// Only if asked for.
    folded: Option<FoldedStacks>,
}

/// A request is quiet for so many times as long as others until it ends, if a crossing that was seen in it has not come.
const SETTLES_PER_CROSSING: u64 = 2;

impl Inference {
    /// Nothing has been seen yet.
    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            functions: Functions::default(),
            requests: Requests::default(),
            neighbours: Neighbours::default(),
            nested: Nested::default(),
            shapes: Shapes::default(),
            lives: Lives::default(),
            serial: 0,
            folded: None,
        }
    }

    /// Sums stacks from now on.
    pub fn fold_stacks(&mut self) {
        self.folded.get_or_insert_default();
    }

    /// The summed stacks, and their time in nanoseconds.
    pub fn take_folded(&mut self) -> impl Iterator<Item = (String, u64)> + use<> {
        self.folded
            .take()
            .into_iter()
            .flat_map(FoldedStacks::into_lines)
    }

    /// Pieces of evidence held.
    pub fn held(&self) -> usize {
        self.requests.held()
    }

    /// Emits what is inferred of the requests that are quiet, of those that have gone on for very
    /// long, and of those that there is no room for.
    pub fn tick(&mut self, known: &KnownCrossings, means: &mut Means<'_>, out: &mut impl Sink) {
        while let Some((touched, key)) = self.requests.quietest() {
            let is_settled = means.now.since(touched) > means.settings.settle_ns;
            let is_full = self.requests.len() > self.rules.requests as usize
                || self.requests.held() > self.rules.held_evidence as usize;
            if !is_settled && !is_full {
                break;
            }
            if is_full {
                means.tally.sampled(SampleUse::RequestEvicted);
            } else if self.is_in_crossing(key, known, means) {
                self.requests.keep(key, means.now);
                continue;
            }
            self.end(key, is_full, known, means, out);
        }
        let before = KernelTime(means.now.0.saturating_sub(self.rules.longest_ns));
        for key in self.requests.older(before) {
            if !self.is_in_crossing(key, known, means) {
                means.tally.sampled(SampleUse::Parted);
                self.end(key, true, known, means, out);
            }
        }
    }

    /// Emits what is inferred of all requests.
    pub fn finish(&mut self, known: &KnownCrossings, means: &mut Means<'_>, out: &mut impl Sink) {
        while let Some((_, key)) = self.requests.quietest() {
            self.end(key, false, known, means, out);
        }
    }

    /// Whether a crossing of the request has not ended, or has and is not known yet.
    fn is_in_crossing(&self, key: RequestKey, known: &KnownCrossings, means: &Means<'_>) -> bool {
        let Some(request) = self.requests.get(key) else {
            return false;
        };
        let is_open = |key: &Key| known.get(*key).is_some_and(|known| known.exit.is_none());
        if request.open.iter().any(|(_, key)| is_open(key)) {
            return true;
        }
        // Samples inside of a crossing may come before it, and it may never come: a short one is not sent.
        let wait_ns = means
            .settings
            .settle_ns
            .saturating_mul(SETTLES_PER_CROSSING);
        let waits = means.now.since(request.last().unwrap_or_default()) <= wait_ns;
        let has_ended = |key: &Key| request.exact.iter().any(|(_, exact)| exact.key == *key);
        let mut inside = request.inside().map(|(_, key)| key);
        inside.any(|key| is_open(&key) || (waits && known.get(key).is_none() && !has_ended(&key)))
    }
}
