//! Functions that no symbol names: found by the strings that they refer to, or by their class.

use super::scan::Hit;
use crate::{
    catalogue::check::{Anchor, CLASS, Rule},
    object::{
        Image, Links, Unwind,
        references::{self, NoReference},
        rtti::{self, NoClasses},
    },
    symbolize,
};

/// What an anchor finds.
pub(super) enum Found {
    /// The object holds nothing of the kind.
    Nothing,
    /// These functions.
    Hits(Vec<Hit>),
    /// The object holds the library, and the anchor does not check out, for this reason.
    Broken(BrokenAnchor),
}

/// Why an anchor does not check out in an object that holds its library.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum BrokenAnchor {
    /// By strings.
    #[error(transparent)]
    Strings(#[from] NoReference),
    /// By classes.
    #[error(transparent)]
    Classes(#[from] NoClasses),
    /// Bounds of functions come from there.
    #[error("the object has no unwind information")]
    NoUnwindInfo,
}

/// Looks for the functions of a rule in an object.
pub(super) fn find(
    anchor: &Anchor,
    index: usize,
    rule: &Rule,
    image: &Image,
    links: &Links,
) -> Found {
    let found = match anchor {
        Anchor::Strings { strings, function } => {
            by_strings(image, strings).map(|address| vec![hit(index, rule, address, function)])
        }
        Anchor::Virtual {
            base,
            slot,
            method,
            wrappers,
        } => rtti::overrides(image, links, base, u64::from(*slot))
            .map(|functions| {
                let hit =
                    |of: rtti::VirtualFunction| of_class(index, rule, &of, (method, wrappers));
                functions.into_iter().map(hit).collect()
            })
            .map_err(BrokenAnchor::from),
    };
    match found {
        Ok(hits) => Found::Hits(hits),
        Err(
            BrokenAnchor::Strings(NoReference::NoString(_))
            | BrokenAnchor::Classes(NoClasses::NoBase),
        ) => Found::Nothing,
        Err(reason) => Found::Broken(reason),
    }
}

fn by_strings(image: &Image, strings: &[String]) -> Result<u64, BrokenAnchor> {
    let unwind = Unwind::load(image).ok_or(BrokenAnchor::NoUnwindInfo)?;
    Ok(references::function_with(image, &unwind, strings)?)
}

fn hit(index: usize, rule: &Rule, address: u64, function: &str) -> Hit {
    Hit {
        rule: index,
        name: rule.name.clone(),
        symbol: (rule.anchor.as_ref()).map_or_else(String::new, Anchor::describe),
        function: function.to_owned(),
        address,
        size: 0,
        indirect: false,
        fragments: Vec::new(),
    }
}

/// A method: its name as the demangler writes it, the region's name with the class put in.
fn of_class(
    index: usize,
    rule: &Rule,
    found: &rtti::VirtualFunction,
    (method, wrappers): (&str, &[String]),
) -> Hit {
    let nested = (found.class.strip_prefix('N'))
        .and_then(|name| name.strip_suffix('E'))
        .unwrap_or(&found.class);
    // As the method would be mangled if it took nothing.
    let symbol = format!("_ZN{nested}{}{method}Ev", method.len());
    let function = symbolize::function_name(&symbol);
    let class = function.strip_suffix(&format!("::{method}"));
    let class = unwrapped(class.unwrap_or(&function), wrappers);
    let short = symbolize::short_name(class);
    Hit {
        name: rule.name.replace(CLASS, &lower(&short)),
        symbol: format!("vtable of {}", found.class),
        function,
        ..hit(index, rule, found.address, method)
    }
}

/// The class, or what a template that wraps it has as its first argument.
fn unwrapped<'a>(class: &'a str, wrappers: &[String]) -> &'a str {
    let Some((template, arguments)) = class.split_once('<') else {
        return class;
    };
    let name = template.rsplit("::").next().unwrap_or(template);
    if !wrappers.iter().any(|wrapper| wrapper == name) {
        return class;
    }
    let arguments = arguments.trim_end().strip_suffix('>').unwrap_or(arguments);
    let mut depth = 0_usize;
    let end = arguments.find(|c| {
        depth = match c {
            '<' => depth + 1,
            '>' => depth.saturating_sub(1),
            _ => depth,
        };
        c == ',' && depth == 0
    });
    arguments[..end.unwrap_or(arguments.len())].trim()
}

/// A class as a part of a region's name.
fn lower(class: &str) -> String {
    let class = class.split('<').next().unwrap_or(class);
    class
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || *c == '_')
        .map(|c| c.to_ascii_lowercase())
        .collect()
}
