//! The summary in the making.

use std::{collections::BTreeMap, sync::Arc};

use rustc_hash::FxHashMap;

use super::{Dropped, NotInferred, Noted, SampleUse, Summary, Work};
use crate::{
    crossings::{regions::KnownRegion, unattributed::UnattributedWork},
    ids::TargetId,
    inference::{CoverageTally, Origin},
};

/// The summary in the making, without allocation on the common path.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub crossings: u64,
    pub joined: u64,
    pub span_events: u64,
    pub shares: u64,
    spans: u64,
    by_source: BTreeMap<&'static str, u64>,
    by_region: FxHashMap<Arc<str>, Work>,
    by_target: BTreeMap<TargetId, u64>,
    pub unattributed: UnattributedWork,
    dropped: BTreeMap<Dropped, u64>,
    noted: BTreeMap<Noted, u64>,
    counters: BTreeMap<String, u64>,
    by_origin: BTreeMap<Origin, u64>,
    evidence: BTreeMap<SampleUse, u64>,
    nobodys_samples: BTreeMap<String, u64>,
    not_inferred: BTreeMap<NotInferred, u64>,
    pub coverage: CoverageTally,
}

/// Names under which samples that nobody is known for are counted.
const NOBODYS_NAMES: usize = 100;

impl Tally {
    pub fn sampled(&mut self, what: SampleUse) {
        *self.evidence.entry(what).or_default() += 1;
    }

    pub fn evidence(&mut self, what: SampleUse, pieces: usize) {
        if pieces > 0 {
            *self.evidence.entry(what).or_default() += pieces as u64;
        }
    }

    /// Counts a sample that nobody is known for, by object and function.
    pub fn nobodys_sample(&mut self, place: Option<(&str, &str)>) {
        self.sampled(SampleUse::Nobodys);
        let name = place.map(|(object, function)| format!("{function} ({object})"));
        let name = name.unwrap_or_else(|| "(unnamed)".to_owned());
        let is_known = self.nobodys_samples.contains_key(&name);
        let has_room = is_known || self.nobodys_samples.len() < NOBODYS_NAMES;
        let name = if has_room { name } else { "(other)".to_owned() };
        *self.nobodys_samples.entry(name).or_default() += 1;
    }

    pub fn not_inferred(&mut self, reason: NotInferred, spans: usize) {
        *self.not_inferred.entry(reason).or_default() += spans as u64;
    }

    /// Counts a span that is not a crossing's.
    pub fn inferred(&mut self, target: TargetId, origin: Origin, source: &'static str) {
        self.emitted(target, origin, source);
    }

    fn emitted(&mut self, target: TargetId, origin: Origin, source: &'static str) {
        self.spans += 1;
        *self.by_origin.entry(origin).or_default() += 1;
        *self.by_source.entry(source).or_default() += 1;
        *self.by_target.entry(target).or_default() += 1;
    }

    pub fn dropped(&mut self, reason: Dropped) {
        *self.dropped.entry(reason).or_default() += 1;
    }

    pub fn noted(&mut self, what: Noted, times: u64) {
        if times > 0 {
            *self.noted.entry(what).or_default() += times;
        }
    }

    pub fn span(&mut self, target: TargetId, region: &KnownRegion, source: &'static str, ns: u64) {
        self.emitted(target, Origin::Probe, source);
        self.by_region
            .entry(Arc::clone(&region.name))
            .or_default()
            .add(ns);
    }

    pub fn counter(&mut self, name: String, total: u64) {
        self.counters.insert(name, total);
    }

    pub fn summary(&self) -> Summary {
        Summary {
            crossings: self.crossings,
            spans: self.spans,
            joined: self.joined,
            span_events: self.span_events,
            shares: self.shares,
            by_origin: self
                .by_origin
                .iter()
                .map(|(origin, &n)| (origin.name(), n))
                .collect(),
            by_source: self.by_source.clone(),
            by_region: self
                .by_region
                .iter()
                .map(|(name, work)| (name.to_string(), *work))
                .collect(),
            by_target: self.by_target.clone(),
            unattributed: self.unattributed.summary(),
            dropped: self
                .dropped
                .iter()
                .map(|(reason, &n)| (reason.name(), n))
                .collect(),
            noted: self
                .noted
                .iter()
                .map(|(what, &n)| (what.name(), n))
                .collect(),
            counters: self.counters.clone(),
            evidence: self
                .evidence
                .iter()
                .map(|(what, &n)| (what.name(), n))
                .collect(),
            nobodys_samples: self.nobodys_samples.clone(),
            not_inferred: self
                .not_inferred
                .iter()
                .map(|(reason, &n)| (reason.name(), n))
                .collect(),
            coverage: self.coverage.by_name(),
        }
    }
}
