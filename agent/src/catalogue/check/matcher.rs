//! Which symbols are wanted, over the whole catalogue: one look at each symbol answers it.

use std::collections::HashMap;

use regex::bytes::{Regex, RegexSet};

use super::{Source, error::CatalogueError, schema::Region, version::VersionRule};
use crate::symbolize;

/// The C++ runtime's function that ends the unwinding: the catch probe's place.
pub(in crate::catalogue) const BEGIN_CATCH: &str = "__cxa_begin_catch";
/// The dynamic loader's function that debuggers watch (`link.h`: `r_brk`): glibc and musl call it before
/// and after a change of what is mapped.
pub(in crate::catalogue) const LOADED: &str = "_dl_debug_state";

/// What a symbol is wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::catalogue) enum Wanted {
    /// The rule with this index.
    Region(usize),
    /// A symbol that a library's version is read from, or that is asked for by its name.
    Named,
}

/// All wishes.
#[derive(Debug)]
pub(in crate::catalogue) struct Matcher {
    exact: HashMap<Vec<u8>, Vec<Wanted>>,
    patterns: RegexSet,
    pattern_rules: Vec<Candidate>,
    /// Finds symbols that hold the last part of a wanted function; only these are demangled.
    functions: RegexSet,
    function_rules: Vec<(String, Candidate)>,
}

#[derive(Clone, Copy, Debug)]
struct Candidate {
    rule: usize,
    fragments: bool,
}

#[derive(Debug, Default)]
pub(in crate::catalogue) struct MatcherBuilder {
    exact: HashMap<Vec<u8>, Vec<Wanted>>,
    patterns: Vec<String>,
    pattern_rules: Vec<Candidate>,
    function_parts: Vec<String>,
    function_rules: Vec<(String, Candidate)>,
    /// Where a failure of the sets as a whole is to be reported.
    last_file: String,
}

impl Matcher {
    pub(super) fn builder() -> MatcherBuilder {
        MatcherBuilder::default()
    }

    /// What the symbol is wanted for; most often nothing.
    pub(in crate::catalogue) fn wanted(&self, symbol: &[u8]) -> Vec<Wanted> {
        let mut wanted = self.exact.get(symbol).cloned().unwrap_or_default();
        let fragment = is_fragment(symbol);
        if is_cold(symbol) {
            return wanted;
        }
        let fits = |candidate: &Candidate| candidate.fragments || !fragment;
        for index in self.patterns.matches(symbol) {
            let candidate = self.pattern_rules[index];
            if fits(&candidate) {
                wanted.push(Wanted::Region(candidate.rule));
            }
        }
        let candidates = self.functions.matches(symbol);
        if candidates.matched_any() {
            let function = symbolize::function_name(&String::from_utf8_lossy(symbol));
            for index in candidates {
                let (name, candidate) = &self.function_rules[index];
                if fits(candidate) && *name == function {
                    wanted.push(Wanted::Region(candidate.rule));
                }
            }
        }
        wanted.dedup();
        wanted
    }
}

impl MatcherBuilder {
    pub(super) fn add(
        &mut self,
        rule: usize,
        source: &Source,
        region: &Region,
    ) -> Result<(), CatalogueError> {
        self.last_file.clone_from(&source.name);
        let candidate = Candidate {
            rule,
            fragments: region.fragments,
        };
        let is_anchored = region.anchor.is_some() || region.vtable.is_some();
        if region.symbols.is_empty()
            && region.patterns.is_empty()
            && region.functions.is_empty()
            && !is_anchored
        {
            let reason = "a region needs `symbols`, `patterns`, `functions`, `anchor` or `vtable`";
            return Err(CatalogueError::at(source, &region.name, reason));
        }
        for symbol in &region.symbols {
            self.exact
                .entry(symbol.get_ref().clone().into_bytes())
                .or_default()
                .push(Wanted::Region(rule));
        }
        for pattern in &region.patterns {
            let anchored = format!("^(?:{})$", pattern.get_ref());
            Regex::new(&anchored).map_err(|error| {
                CatalogueError::at(source, pattern, format!("patterns: {error}"))
            })?;
            self.patterns.push(anchored);
            self.pattern_rules.push(candidate);
        }
        for function in &region.functions {
            let name = function.get_ref();
            let part = name.rsplit("::").next().unwrap_or(name);
            self.function_parts.push(regex::escape(part));
            self.function_rules.push((name.clone(), candidate));
        }
        Ok(())
    }

    pub(super) fn add_version(&mut self, version: &VersionRule) {
        for symbol in version.functions.iter().chain(&version.text_function) {
            self.add_named(symbol);
        }
    }

    pub(super) fn add_named(&mut self, symbol: &str) {
        let wanted = self.exact.entry(symbol.as_bytes().to_vec()).or_default();
        if !wanted.contains(&Wanted::Named) {
            wanted.push(Wanted::Named);
        }
    }

    pub(super) fn build(self) -> Result<Matcher, CatalogueError> {
        let file = self.last_file;
        let set = |patterns: &[String]| {
            RegexSet::new(patterns).map_err(|error| CatalogueError {
                file: file.clone(),
                line: None,
                reason: format!("the patterns of all files together: {error}"),
            })
        };
        Ok(Matcher {
            exact: self.exact,
            patterns: set(&self.patterns)?,
            pattern_rules: self.pattern_rules,
            functions: set(&self.function_parts)?,
            function_rules: self.function_rules,
        })
    }
}

/// A part of a function that the compiler moved out of it, never entered by a call.
fn is_cold(symbol: &[u8]) -> bool {
    memchr::memmem::find(symbol, b".cold").is_some()
}

/// A clone or part of a function made by the compiler (`.part.0`, `.isra.0`, `.constprop.0`). No
/// identifier holds a dot; Rust's older mangling holds two in a row.
fn is_fragment(symbol: &[u8]) -> bool {
    memchr::memchr_iter(b'.', symbol).any(|at| {
        let before = at.checked_sub(1).and_then(|before| symbol.get(before));
        before != Some(&b'.') && symbol.get(at + 1) != Some(&b'.')
    })
}
