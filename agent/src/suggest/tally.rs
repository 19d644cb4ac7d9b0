//! Stacks, counted by function.

use std::collections::{BTreeMap, HashMap, HashSet};

use hotspan_synth::{
    event::{Event, Frame, Function, Language, Sample, SampleReason},
    ids::FunctionId,
};

/// How often a function was seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// In stacks, anywhere.
    pub within: u64,
    /// As what ran.
    pub itself: u64,
    /// In stacks in which only native functions call it.
    pub rooted: u64,
}

/// All stacks so far.
#[derive(Debug, Default)]
pub struct Tally {
    functions: HashMap<FunctionId, Function>,
    seen: HashMap<FunctionId, Seen>,
    /// Caller and callee, next to each other.
    calls: HashMap<(FunctionId, FunctionId), u64>,
    stacks: u64,
}

impl Tally {
    /// Takes in what matters of an event that the core is fed.
    pub fn hear(&mut self, event: &Event) {
        match event {
            Event::Function(function) => {
                self.functions.insert(function.id, function.clone());
            }
            Event::Sample(sample) => self.sample(sample),
            _ => {}
        }
    }

    /// Stacks counted.
    pub fn stacks(&self) -> u64 {
        self.stacks
    }

    /// The native functions, by name and object, with how often they were seen.
    pub fn native(&self) -> BTreeMap<(&str, &str), (FunctionId, Seen)> {
        let named = self.seen.iter().filter_map(|(id, seen)| {
            let function = self.functions.get(id)?;
            let is_native = function.language == Language::Native;
            is_native.then_some((
                (function.qualified.as_str(), function.object.as_str()),
                (*id, *seen),
            ))
        });
        named.collect()
    }

    /// In how many stacks the one calls the other.
    pub fn calls(&self, outer: FunctionId, inner: FunctionId) -> u64 {
        self.calls.get(&(outer, inner)).copied().unwrap_or(0)
    }

    fn sample(&mut self, sample: &Sample) {
        if !matches!(sample.reason, SampleReason::Timer(_)) {
            return;
        }
        self.stacks += 1;
        // A function that calls itself was in one stack once.
        let (mut counted, mut called) = (HashSet::new(), HashSet::new());
        let mut is_rooted = true;
        for frame in &sample.stack {
            if counted.insert(frame.function) {
                let seen = self.seen.entry(frame.function).or_default();
                seen.within += 1;
                seen.rooted += u64::from(is_rooted);
            }
            is_rooted &= !self.is_python(*frame);
        }
        for pair in sample.stack.windows(2) {
            let pair = (pair[0].function, pair[1].function);
            if called.insert(pair) {
                *self.calls.entry(pair).or_default() += 1;
            }
        }
        if let Some(last) = sample.stack.last() {
            self.seen.entry(last.function).or_default().itself += 1;
        }
    }

    fn is_python(&self, frame: Frame) -> bool {
        let function = self.functions.get(&frame.function);
        function.is_some_and(|function| function.language == Language::Python)
    }
}
