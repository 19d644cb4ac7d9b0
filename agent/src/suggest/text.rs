//! Suggestions, written as a catalogue file.

use std::{
    collections::HashSet,
    fmt::{self, Display},
};

use super::Candidate;

/// A region that may be probed.
#[derive(Clone, Debug)]
struct Region {
    name: String,
    candidate: Candidate,
}

/// A catalogue file. Displays as its text.
#[derive(Clone, Debug)]
pub struct Suggestion {
    /// What was sampled, for the first line.
    heading: String,
    regions: Vec<Region>,
    /// Hot functions that can't be regions.
    left_out: Vec<String>,
}

/// Entries a second and thread beyond which a region is given up: stacks do not tell how often a function
/// is called.
const MAX_RATE: u32 = 1_000;

impl Suggestion {
    /// A file for these functions. `heading`: what was sampled.
    pub fn new(heading: String, candidates: Vec<Candidate>) -> Self {
        let mut taken = HashSet::new();
        let regions = candidates.into_iter().map(|candidate| Region {
            name: free_name(&candidate, &mut taken),
            candidate,
        });
        Self {
            heading,
            regions: regions.collect(),
            left_out: Vec::new(),
        }
    }

    /// Whether there is nothing to suggest.
    pub fn is_empty(&self) -> bool {
        self.regions.is_empty()
    }

    /// Keeps the regions of which `is_armed` holds, by their name; the others are named in a comment.
    pub fn keep(&mut self, is_armed: impl Fn(&str) -> bool) {
        let (kept, rest) = std::mem::take(&mut self.regions)
            .into_iter()
            .partition(|region: &Region| is_armed(&region.name));
        self.regions = kept;
        let rest: Vec<Region> = rest;
        let names = rest.into_iter().map(|region| region.candidate.function);
        self.left_out.extend(names);
    }
}

impl Display for Suggestion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "# {}", self.heading)?;
        for function in &self.left_out {
            writeln!(
                f,
                "# Hot, and can't be probed by its name: {}",
                on_one_line(function)
            )?;
        }
        writeln!(f, "\nlibrary = \"suggested\"")?;
        for Region { name, candidate } in &self.regions {
            let function = toml::Value::String(candidate.function.clone());
            writeln!(
                f,
                "\n# {} of the stacks, {} in itself; {}\n[[region]]\nname = \"{name}\"\nfunctions = [{function}]\nmax_rate = {MAX_RATE}",
                percent(candidate.within),
                percent(candidate.itself),
                on_one_line(&candidate.object),
            )?;
        }
        Ok(())
    }
}

fn percent(thousandths: u64) -> String {
    format!("{}.{} %", thousandths / 10, thousandths % 10)
}

/// A name of the target's own choosing must not end the comment that it stands in.
fn on_one_line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}

/// `library.operation`, and a number if another function has it.
fn free_name(candidate: &Candidate, taken: &mut HashSet<String>) -> String {
    let object = candidate.object.trim_start_matches("lib");
    let library = object.split(['.', '-']).next().unwrap_or_default();
    let operation = last_part(&candidate.function);
    let name = format!(
        "{}.{}",
        word(library, "program"),
        word(operation, "function")
    );
    let numbered = (2..).map(|number| format!("{name}_{number}"));
    let mut names = std::iter::once(name.clone()).chain(numbered);
    let free = names.find(|name| taken.insert(name.clone()));
    free.unwrap_or(name)
}

/// The function's own name, without namespaces, class and template arguments.
fn last_part(function: &str) -> &str {
    let plain = function.split(['<', '(']).next().unwrap_or_default();
    let plain = if plain.is_empty() { function } else { plain };
    plain
        .trim_end_matches("::")
        .rsplit("::")
        .next()
        .unwrap_or(plain)
}

/// As a part of a region's name: `BuildModel` is `build_model`.
fn word(text: &str, default: &str) -> String {
    let mut word = String::new();
    let mut last = ' ';
    for c in text.chars() {
        if c.is_ascii_uppercase() && last.is_ascii_lowercase() {
            word.push('_');
        }
        if c.is_ascii_alphanumeric() {
            word.push(c.to_ascii_lowercase());
        } else if !word.is_empty() && !word.ends_with('_') {
            word.push('_');
        }
        last = c;
    }
    let word = word.trim_matches('_');
    if word.is_empty() {
        default.to_owned()
    } else {
        word.to_owned()
    }
}
