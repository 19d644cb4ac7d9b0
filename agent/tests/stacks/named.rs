//! What becomes of a sample.

use std::sync::Arc;

use hotspan::{
    stack::{RawSample, Stacks},
    target::Process,
};
use hotspan_synth::event::{Event, Function, Sample};

use crate::capture::now;

/// A stack with names, outermost first.
pub struct Named {
    /// Each frame's function.
    pub functions: Vec<Function>,
    /// Each frame's line.
    pub lines: Vec<u32>,
    /// Whether it reaches the thread's start.
    pub is_complete: bool,
    /// What was counted on the way.
    pub counters: Vec<(&'static str, u64)>,
}

impl Named {
    /// Resolves a sample.
    pub fn of(raw: &RawSample) -> Self {
        let mut stacks = Stacks::default();
        let process = Process::open(raw.event.tgid).unwrap();
        stacks.adopt(raw.event.tgid, Arc::new(process));
        let resolved = stacks.resolve(raw, now());
        let mut functions = Vec::new();
        let mut sample: Option<Sample> = None;
        for event in resolved.events {
            match event {
                Event::Function(function) => functions.push(function),
                Event::Sample(event) => sample = Some(event),
                other => panic!("{other:?}"),
            }
        }
        let sample = sample.unwrap();
        let function = |id| functions.iter().find(|function| function.id == id).unwrap();
        Self {
            functions: sample
                .stack
                .iter()
                .map(|frame| function(frame.function).clone())
                .collect(),
            lines: sample.stack.iter().map(|frame| frame.line).collect(),
            is_complete: sample.is_complete,
            counters: stacks.counters().collect(),
        }
    }

    /// The functions' short names.
    pub fn names(&self) -> Vec<&str> {
        let functions = self.functions.iter();
        functions.map(|function| function.name.as_str()).collect()
    }

    /// A counter.
    pub fn counted(&self, name: &str) -> u64 {
        let found = self.counters.iter().find(|(counter, _)| *counter == name);
        found.map_or(0, |(_, total)| *total)
    }
}
