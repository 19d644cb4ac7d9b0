//! What the kernel programs counted.

use heck::ToSnakeCase as _;
use hotspan_common::{ContextOutcome, Counter};

use super::{Kernel, KernelError, probes::failed};

/// A snapshot of the counters, summed over CPUs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KernelCounters(Vec<(String, u64)>);

impl KernelCounters {
    /// The counters that are not zero, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.0.iter().map(|(name, total)| (name.as_str(), *total))
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
        let plain = Counter::ALL
            .iter()
            .filter(|counter| **counter != Counter::ContextBase)
            .map(|counter| (counter.wire(), format!("kernel.{}", snake(counter))));
        let contexts = ContextOutcome::ALL.iter().map(|outcome| {
            let slot = Counter::ContextBase.wire() + u32::from(outcome.wire());
            (slot, format!("context.{}", snake(outcome)))
        });
        let mut all = Vec::new();
        for (slot, name) in plain.chain(contexts) {
            let total = self.counter(slot)?;
            if total != 0 {
                all.push((name, total));
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

/// `ExitWithoutEntry` as `exit_without_entry`.
fn snake(value: impl std::fmt::Debug) -> String {
    format!("{value:?}").to_snake_case()
}
