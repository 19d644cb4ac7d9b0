//! Stacks summed for flame graphs: by the request's name, the region, and the functions.

use std::collections::BTreeMap;

use super::{evidence::lane::Lane, functions::Functions, timeline::Kind};
use crate::event::Frame;

/// Different stacks held; the time of more is summed by request and region.
const STACKS: usize = 20_000;

/// How flame graphs mark the kernel's frames.
const OF_THE_KERNEL: &str = "_[k]";

/// Sampled time by folded stack, in nanoseconds.
#[derive(Debug, Default)]
pub(crate) struct FoldedStacks {
    by_stack: BTreeMap<String, u64>,
}

impl FoldedStacks {
    /// Adds the samples of a lane, which must be sorted.
    pub fn lane(&mut self, request: Option<&str>, lane: &Lane, functions: &Functions) {
        for evidence in &lane.evidence {
            let Kind::Sample { before_ns, .. } = evidence.kind else {
                continue;
            };
            let around = lane
                .exact
                .iter()
                .take_while(|exact| exact.entry <= evidence.start);
            let region = around.filter(|exact| exact.exit > evidence.start).last();
            let region = region.map(|exact| &*exact.region.name);
            let mut stack = evidence.stack.to_vec();
            stack.extend(&evidence.kernel);
            self.add(request, region, &stack, before_ns, functions);
        }
    }

    /// Adds a sample.
    pub fn add(
        &mut self,
        request: Option<&str>,
        region: Option<&str>,
        stack: &[Frame],
        period_ns: u64,
        functions: &Functions,
    ) {
        let mut folded = clean(request.unwrap_or("(unknown span)"));
        if let Some(region) = region {
            folded.push(';');
            folded.push_str(&clean(region));
        }
        let place = folded.len();
        for frame in stack {
            let known = functions.get(frame.function);
            folded.push(';');
            folded
                .push_str(&known.map_or("?".to_owned(), |known| clean(&known.function.qualified)));
            if functions.is_kernel(frame.function) {
                folded.push_str(OF_THE_KERNEL);
            }
        }
        if !self.by_stack.contains_key(&folded) && self.by_stack.len() >= STACKS {
            folded.truncate(place);
            folded.push_str(";(other)");
        }
        let sum = self.by_stack.entry(folded).or_default();
        *sum = sum.saturating_add(period_ns);
    }

    /// Each stack with its time, in the order of the stacks.
    pub fn into_lines(self) -> impl Iterator<Item = (String, u64)> {
        self.by_stack.into_iter()
    }
}

/// Without what would end a frame or a line.
fn clean(name: &str) -> String {
    name.replace([';', '\n', '\r'], "_")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Function;
    use crate::event::Language;
    use crate::ids::FunctionId;

    #[test]
    fn frames_of_the_kernel_are_marked() {
        let mut functions = Functions::default();
        let names = [(Language::Python, "read"), (Language::Kernel, "vfs_read")];
        let stack = names.map(|(language, name)| {
            let id = FunctionId(language as u32);
            let function = Function {
                id,
                language,
                name: name.to_owned(),
                qualified: name.to_owned(),
                file: String::new(),
                object: String::new(),
            };
            assert!(functions.announce(function, 8));
            Frame {
                function: id,
                line: 0,
            }
        });
        let mut folded = FoldedStacks::default();
        folded.add(Some("GET /"), None, &stack, 5, &functions);
        let lines: Vec<_> = folded.into_lines().collect();
        assert_eq!(lines, [("GET /;read;vfs_read_[k]".to_owned(), 5)]);
    }
}
