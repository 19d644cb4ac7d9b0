//! One pass over an object's symbols: what of the catalogue is there.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Range,
};

use crate::{
    catalogue::check::{Matcher, Rule, Wanted},
    object::{Symbol, SymbolKind, SymbolTable},
    symbolize,
};

/// A symbol that a rule matched.
#[derive(Clone, Debug)]
pub(super) struct Hit {
    pub rule: usize,
    /// Span name.
    pub name: String,
    /// The mangled symbol, or how it was found without one.
    pub symbol: String,
    /// Demangled.
    pub function: String,
    pub address: u64,
    pub size: u64,
    pub indirect: bool,
    /// Fragments that bear its name (`X.cold`).
    pub fragments: Vec<Range<u64>>,
}

/// What a pass found.
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// By rule, then in the order of the table; each address once a rule.
    pub hits: Vec<Hit>,
    /// Addresses of the symbols that were asked for by name.
    pub named: HashMap<String, u64>,
}

/// Looks at every function that the table defines.
pub(super) fn scan(table: &SymbolTable, matcher: &Matcher, rules: &[Rule]) -> Scan {
    let mut found = Scan::default();
    let mut hits: BTreeMap<(usize, u64), Hit> = BTreeMap::new();
    for symbol in table.functions() {
        for wanted in matcher.wanted(symbol.name) {
            match wanted {
                Wanted::Named => {
                    let name = String::from_utf8_lossy(symbol.name).into_owned();
                    found.named.entry(name).or_insert(symbol.address);
                }
                Wanted::Region(rule) => {
                    hits.entry((rule, symbol.address))
                        .or_insert_with(|| hit(rule, &rules[rule].name, &symbol));
                }
            }
        }
    }
    found.hits = hits.into_values().collect();
    add_fragments(table, &mut found.hits);
    found
}

fn hit(rule: usize, name: &str, symbol: &Symbol<'_>) -> Hit {
    let mangled = String::from_utf8_lossy(symbol.name).into_owned();
    Hit {
        rule,
        name: name.to_owned(),
        function: symbolize::function_name(&mangled),
        symbol: mangled,
        address: symbol.address,
        size: symbol.size,
        indirect: symbol.kind == SymbolKind::Indirect,
        fragments: Vec::new(),
    }
}

/// Gives each hit the `.cold` symbols of its name. Where several functions share a name (static
/// ones of several files), whose fragment it is can't be told; jumps lead to those that matter.
fn add_fragments(table: &SymbolTable, hits: &mut [Hit]) {
    if hits.is_empty() {
        return;
    }
    let mut owners: HashMap<&[u8], Vec<Range<u64>>> = HashMap::new();
    let finder = memchr::memmem::Finder::new(b".cold");
    let functions = || table.functions().filter(|symbol| symbol.size > 0);
    for symbol in functions() {
        if let Some(end) = finder.find(symbol.name) {
            owners
                .entry(&symbol.name[..end])
                .or_default()
                .push(symbol.range());
        }
    }
    for hit in hits {
        if let Some([only]) = owners.get(hit.symbol.as_bytes()).map(Vec::as_slice) {
            hit.fragments.push(only.clone());
        }
    }
}
