//! What the kernel programs counted.

use std::sync::LazyLock;

use heck::ToSnakeCase as _;
use hotspan_common::Counter;

use super::{Kernel, KernelError, probes::failed};
use crate::context::OUTCOMES;

/// All counters, by slot.
static NAMES: LazyLock<Vec<(u32, String)>> = LazyLock::new(|| {
    let plain = Counter::ALL
        .iter()
        .filter(|counter| **counter != Counter::ContextBase)
        .map(|counter| {
            let name = format!("{counter:?}").to_snake_case();
            (counter.wire(), format!("kernel.{name}"))
        });
    let contexts = OUTCOMES.iter().map(|(outcome, name)| {
        let slot = Counter::ContextBase.wire() + u32::from(outcome.wire());
        (slot, format!("context.{name}"))
    });
    plain.chain(contexts).collect()
});

/// A snapshot of the counters, summed over CPUs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KernelCounters(Vec<(&'static str, u64)>);

impl KernelCounters {
    /// The counters that are not zero, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.0.iter().copied()
    }

    /// One counter by its name; 0 if it never rose.
    pub fn get(&self, name: &str) -> u64 {
        self.iter()
            .find_map(|(candidate, total)| (candidate == name).then_some(total))
            .unwrap_or(0)
    }
}

impl Kernel {
    /// Reads the counters.
    ///
    /// # Errors
    /// The kernel's.
    pub fn counters(&self) -> Result<KernelCounters, KernelError> {
        let mut all = Vec::new();
        for (slot, name) in NAMES.iter() {
            let total = self.counter(*slot)?;
            if total != 0 {
                all.push((name.as_str(), total));
            }
        }
        Ok(KernelCounters(all))
    }

    /// One of them, by its place.
    pub(super) fn counter(&self, slot: u32) -> Result<u64, KernelError> {
        let values = self.counters.get(&slot, 0).map_err(failed("COUNTERS"))?;
        Ok(values.iter().sum())
    }
}
