//! What numbers are called: regions, functions, the target's spans.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use hotspan_synth::{
    event::{Event, Frame, Function, Language, TargetSpan},
    ids::{FunctionId, RegionId, SpanId, TraceId},
    time::UnixTime,
};

/// Functions and spans that are remembered, each.
const MAX: usize = 65_536;

/// A function on a stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedFrame(Arc<Function>);

impl NamedFrame {
    pub fn of(function: &Arc<Function>) -> Self {
        Self(Arc::clone(function))
    }

    pub fn name(&self) -> &str {
        &self.0.name
    }

    pub fn object(&self) -> &str {
        &self.0.object
    }

    pub fn has_name(&self) -> bool {
        self.0.language != Language::Unnamed
    }

    pub fn is_python(&self) -> bool {
        self.0.language == Language::Python
    }
}

/// All names.
#[derive(Default)]
pub struct Names {
    regions: HashMap<RegionId, Named>,
    /// By function and object: what a stack shows of a region that was entered before it was armed.
    functions_of_regions: HashMap<(String, String), String>,
    functions: HashMap<FunctionId, Arc<Function>>,
    spans: HashMap<(TraceId, SpanId), (String, UnixTime)>,
}

struct Named {
    name: String,
    object: String,
}

impl Names {
    /// Takes in what an event names.
    pub fn hear(&mut self, event: &Event) {
        match event {
            Event::Region(region) => {
                let named = Named {
                    name: region.name.clone(),
                    object: region.object.clone(),
                };
                let function = (region.function.clone(), region.object.clone());
                self.functions_of_regions
                    .insert(function, region.name.clone());
                self.regions.insert(region.id, named);
            }
            Event::Function(function) if self.functions.len() < MAX => {
                self.functions
                    .insert(function.id, Arc::new(function.clone()));
            }
            Event::Span(span) => self.span(span),
            _ => {}
        }
    }

    /// Takes in a span of the target's.
    pub fn span(&mut self, span: &TargetSpan) {
        let key = (span.trace_id, span.span_id);
        if self.spans.len() >= MAX && !self.spans.contains_key(&key) {
            self.spans.clear();
        }
        self.spans.insert(key, (span.name.clone(), span.start));
    }

    /// Name and start of a span of the target's.
    pub fn of_span(&self, trace_id: TraceId, span_id: SpanId) -> Option<&(String, UnixTime)> {
        self.spans.get(&(trace_id, span_id))
    }

    /// A region's name.
    pub fn region(&self, id: RegionId) -> Option<&str> {
        self.regions.get(&id).map(|region| region.name.as_str())
    }

    /// The object that holds a region.
    pub fn object_of_region(&self, id: RegionId) -> Option<&str> {
        self.regions.get(&id).map(|region| region.object.as_str())
    }

    /// A stack by its numbers; what has no name is left out.
    pub fn stack(&self, frames: &[Frame]) -> Vec<NamedFrame> {
        let functions = frames.iter().filter_map(|frame| {
            let function = self.functions.get(&frame.function)?;
            Some(NamedFrame::of(function))
        });
        functions.collect()
    }

    /// For people: the innermost function of Python's, then the regions that the stack goes through, or, if
    /// it goes through none, the innermost native function.
    pub fn path(&self, stack: &[NamedFrame]) -> Vec<String> {
        let after_python = stack.iter().rposition(NamedFrame::is_python);
        let (python, native) = match after_python {
            Some(at) => (Some(&stack[at]), &stack[at + 1..]),
            None => (None, stack),
        };
        let mut path: Vec<String> = python.iter().map(|frame| frame.name().to_owned()).collect();
        let before = path.len();
        let mut seen = HashSet::new();
        for frame in native {
            let function = (frame.0.qualified.clone(), frame.0.object.clone());
            let region = self.functions_of_regions.get(&function);
            path.extend(region.filter(|region| seen.insert(*region)).cloned());
        }
        if path.len() == before {
            // A place in a stripped library says less than the function that called it.
            let innermost = native
                .last()
                .filter(|frame| frame.has_name() || path.is_empty());
            path.extend(innermost.map(|frame| frame.name().to_owned()));
        }
        path
    }
}
