//! How much of each request's time has a name.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{evidence::lane::Lane, segments::Found};
use crate::time::KernelTime;

/// Names of the target's spans that are told apart.
const NAMES: usize = 1_000;

/// Requests of one name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Coverage {
    /// Requests seen.
    pub requests: u64,
    /// From the first that was seen of each to the last, summed, in nanoseconds.
    pub observed_ns: u64,
    /// Of this, what the spans without children cover, in nanoseconds.
    pub covered_ns: u64,
}

impl Coverage {
    /// The covered part.
    pub fn share(&self) -> f64 {
        self.covered_ns as f64 / self.observed_ns.max(1) as f64
    }
}

/// Coverage by name, in the making.
#[derive(Debug, Default)]
pub(crate) struct CoverageTally {
    by_name: BTreeMap<String, Coverage>,
}

impl CoverageTally {
    /// Adds a request.
    pub fn request(
        &mut self,
        name: Option<&str>,
        is_new: bool,
        start: KernelTime,
        end: KernelTime,
        leaves: Vec<(KernelTime, KernelTime)>,
    ) {
        let known =
            name.filter(|name| self.by_name.contains_key(*name) || self.by_name.len() < NAMES);
        let sum = self
            .by_name
            .entry(known.unwrap_or("(other)").to_owned())
            .or_default();
        sum.requests += u64::from(is_new);
        sum.observed_ns = sum.observed_ns.saturating_add(end.since(start));
        sum.covered_ns = sum.covered_ns.saturating_add(union_ns(leaves, start, end));
    }

    pub fn by_name(&self) -> BTreeMap<String, Coverage> {
        self.by_name.clone()
    }
}

fn union_ns(mut leaves: Vec<(KernelTime, KernelTime)>, start: KernelTime, end: KernelTime) -> u64 {
    leaves.sort_unstable();
    let mut covered_to = start;
    let mut total = 0;
    for (from, to) in leaves {
        let (from, to) = (from.max(covered_to), to.min(end));
        total += to.since(from);
        covered_to = covered_to.max(to);
    }
    total
}

/// Adds the intervals of a lane's spans that have no children.
pub(super) fn leaves(lane: &Lane, found: &[Found], into: &mut Vec<(KernelTime, KernelTime)>) {
    for found in found {
        for finding in &found.findings {
            finding.leaves(into);
        }
        let Some((host, exact)) = found
            .host
            .and_then(|host| Some((host, lane.exact.get(host)?)))
        else {
            continue;
        };
        let is_around = lane
            .exact
            .get(host + 1)
            .is_some_and(|next| next.exit <= exact.exit && next.entry >= exact.entry);
        if found.findings.is_empty() && !is_around {
            into.push((exact.entry, exact.exit));
        }
    }
}
