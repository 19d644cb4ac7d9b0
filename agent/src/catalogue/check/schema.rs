//! A catalogue file as it is written. What it may say is documented in `agent/catalogue/README.md`.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

/// One file: one library.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    /// Name of the library, the default prefix of nothing: it only says what replaces what.
    pub library: Spanned<String>,
    /// Globs over object file names; empty: every object.
    #[serde(default)]
    pub objects: Vec<Spanned<String>>,
    /// Globs over paths below a folder of packages: armed there before they are mapped.
    #[serde(default)]
    pub installed: Vec<Spanned<String>>,
    /// How the library's version is known.
    #[serde(default)]
    pub version: Version,
    /// The regions.
    #[serde(default, rename = "region")]
    pub regions: Vec<Region>,
}

/// Ways to know the version, tried in this order.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Version {
    /// Build id (or a prefix of it, in hexadecimal) to version.
    #[serde(default)]
    pub build_ids: BTreeMap<String, Spanned<String>>,
    /// Functions that return the major, minor and patch number as a constant.
    #[serde(default)]
    pub functions: Vec<Spanned<String>>,
    /// A function that returns the version as a constant C string.
    pub text_function: Option<Spanned<String>>,
    /// A regular expression over the read-only data; its groups are the numbers.
    pub pattern: Option<Spanned<String>>,
}

/// One region.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Region {
    pub name: Spanned<String>,
    #[serde(default = "yes")]
    pub enabled: bool,
    #[serde(default)]
    pub symbols: Vec<Spanned<String>>,
    #[serde(default)]
    pub patterns: Vec<Spanned<String>>,
    #[serde(default)]
    pub functions: Vec<Spanned<String>>,
    pub anchor: Option<Anchor>,
    pub vtable: Option<Vtable>,
    #[serde(default)]
    pub fragments: bool,
    /// Symbols of functions that end it where they are called last.
    #[serde(default)]
    pub ends_before: Vec<Spanned<String>>,
    /// Symbol of a function: an event is the moment when it is called by the region's.
    pub at_call: Option<Spanned<String>>,
    #[serde(default)]
    pub role: Role,
    pub min_duration: Option<Spanned<String>>,
    pub max_rate: Option<u32>,
    #[serde(default)]
    pub keep_all: bool,
    #[serde(default = "yes")]
    pub on_workers: bool,
    pub group: Option<Spanned<String>>,
    #[serde(default, rename = "read")]
    pub reads: Vec<Read>,
    #[serde(default, rename = "attribute")]
    pub attributes: Vec<Attribute>,
    pub failure: Option<Failure>,
    pub only_if: Option<Condition>,
    pub event_of: Option<Spanned<String>>,
    #[serde(default)]
    pub cold_start: bool,
    #[serde(default)]
    pub numbered: bool,
    pub stage: Option<Stage>,
    pub fold: Option<Fold>,
    pub count_by: Option<CountBy>,
    #[serde(default)]
    pub outermost: bool,
    #[serde(default)]
    pub on_device: bool,
    pub memory: Option<Memory>,
    pub members: Option<Members>,
    pub sequence: Option<Spanned<String>>,
    pub engine: Option<Spanned<String>>,
}

/// Where a step for several sequences has its arguments, in bytes from the stack pointer at the entry, and the
/// name of such steps' own spans.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Members {
    pub name: Option<Spanned<String>>,
    pub count: u16,
    pub list: u16,
    pub wanted: u16,
}

/// What a tally's entries are counted by besides: the address of a function.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CountBy {
    pub from: From,
    pub key: Spanned<String>,
}

/// What a call does to a device's memory.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Memory {
    pub effect: MemoryEffect,
    pub result: Spanned<String>,
    pub address: Option<Spanned<String>>,
    pub bytes: Option<Spanned<String>>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(super) enum MemoryEffect {
    Allocates,
    Frees,
    Resets,
}

/// Crossings that one span stands for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fold {
    pub by: Option<Spanned<String>>,
    pub idle: Option<Spanned<String>>,
    #[serde(default)]
    pub sum: Vec<Spanned<String>>,
    pub rate: Option<Rate>,
    #[serde(default)]
    pub last: Vec<Attribute>,
    pub opening: Option<Opening>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rate {
    pub of: Spanned<String>,
    pub key: Spanned<String>,
}

/// Crossings that come before the repetitions.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Opening {
    pub name: Spanned<String>,
    pub until: Spanned<String>,
    pub length: Spanned<String>,
    pub position: Option<Spanned<String>>,
    pub each: Option<Spanned<String>>,
    pub until_count: Option<Spanned<String>>,
    pub first_result: Option<Spanned<String>>,
    #[serde(default)]
    pub numbered: bool,
    #[serde(default, rename = "attribute")]
    pub attributes: Vec<Attribute>,
}

/// A function without a symbol, by the strings that it refers to.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Anchor {
    pub strings: Vec<Spanned<String>>,
    pub function: Spanned<String>,
}

/// Methods without symbols, by their base class and place in the vtable.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Vtable {
    pub base: Spanned<String>,
    pub slot: u32,
    pub method: Spanned<String>,
    #[serde(default)]
    pub wrappers: Vec<String>,
}

/// What a crossing becomes.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(super) enum Role {
    #[default]
    Span,
    Worker,
    SpanEvent,
    Tally,
    Note,
}

/// What it is in the course of an engine's request.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(super) enum Stage {
    Request,
    Forward,
}

/// One value read in the target.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Read {
    pub slot: Spanned<String>,
    pub when: Option<When>,
    pub from: From,
    #[serde(default)]
    pub offsets: Vec<Spanned<i32>>,
    pub offset_of: Option<Spanned<String>>,
    #[serde(rename = "type")]
    pub kind: Kind,
    pub versions: Option<Spanned<String>>,
    #[serde(default)]
    pub build_ids: Vec<Spanned<String>>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(super) enum When {
    Entry,
    Exit,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(super) enum From {
    Arg0,
    Arg1,
    Arg2,
    Arg3,
    Arg4,
    Arg5,
    Stack,
    Result,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    U8,
    Bool,
    I32,
    U32,
    I64,
    U64,
    F32,
    F64,
    Cstr,
    StdString,
}

/// One attribute of the span.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Attribute {
    pub key: Spanned<String>,
    pub value: Value,
}

/// How slots become the attribute's value.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Value {
    Int(Spanned<String>),
    Float(Spanned<String>),
    Bool(Spanned<String>),
    Text(Spanned<String>),
    Enum(Names),
    OneOf(OneOf),
    Reached(Reached),
    Quotient(Quotient),
    Total(Vec<Spanned<String>>),
    Product(Vec<Spanned<String>>),
    Scaled(Scaled),
    Constant(String),
    Given(Given),
}

/// Names for numbers. The names are the keys, for numbers can't be keys of a TOML table.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Names {
    pub of: Spanned<String>,
    pub names: BTreeMap<String, i64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OneOf {
    pub of: Spanned<String>,
    pub values: Vec<i64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Reached {
    pub of: Spanned<String>,
    pub limit: Spanned<String>,
    pub unless: Spanned<String>,
    pub except: Vec<i64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Quotient {
    pub of: Spanned<String>,
    pub divisor: Spanned<i64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Scaled {
    pub of: Spanned<String>,
    pub offset: Spanned<String>,
    pub factor: Spanned<String>,
}

/// What a slot must hold; exactly one of `is` and `is_not` is given.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Condition {
    pub of: Spanned<String>,
    pub mask: Option<u32>,
    pub is: Option<Vec<i64>>,
    pub is_not: Option<Vec<i64>>,
}

/// A value under a condition.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Given {
    #[serde(rename = "if")]
    pub condition: Condition,
    pub value: Box<Value>,
}

/// Results that are errors.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Failure {
    pub of: Spanned<String>,
    pub errors: BTreeMap<String, i64>,
}

fn yes() -> bool {
    true
}
