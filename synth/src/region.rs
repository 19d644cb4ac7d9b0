//! What the core knows of a region: its name, and what its decoded values mean.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ids::RegionId;

/// A region, announced before its first crossing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Region {
    /// The number that crossings carry.
    pub id: RegionId,
    /// Span name, `library.operation`.
    pub name: String,
    /// What a crossing becomes.
    pub role: Role,
    /// Demangled function, for `code.function.name`.
    pub function: String,
    /// File name of the object that holds it.
    pub object: String,
    /// What its crossings mean.
    pub meaning: Meaning,
}

impl Region {
    /// A region each of whose crossings is a span, of which nothing is read.
    pub fn span(id: RegionId, name: &str, function: &str, object: &str) -> Self {
        Self {
            id,
            name: name.to_owned(),
            role: Role::Span,
            function: function.to_owned(),
            object: object.to_owned(),
            meaning: Meaning::default(),
        }
    }

    /// The same function, of whose crossings this becomes.
    #[must_use]
    pub fn with_meaning(self, meaning: Meaning) -> Self {
        Self { meaning, ..self }
    }
}

/// What becomes of a region's crossings, in every object that it is found in.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Meaning {
    /// Meaning of the value slots, in output order.
    pub attributes: Vec<AttributeRule>,
    /// Results that are errors.
    pub failure: Option<FailureRule>,
    /// A crossing that does not meet it is no part of the output: as if it had not been sent, its
    /// children belong to its enclosing crossing. `None`: every crossing counts.
    #[serde(default)]
    pub only_if: Option<Condition>,
    /// For a span event: name of the span that it belongs to, the nearest one around it of that
    /// name. `None`: the nearest span around it, whatever its name.
    #[serde(default)]
    pub event_of: Option<String>,
    /// Loading and the like: in a request, it is work that a warm process does not do.
    #[serde(default)]
    pub cold_start: bool,
    /// A call of an engine: if it is made again in one request, the calls are numbered. Of those inside
    /// of each other the outermost counts.
    #[serde(default)]
    pub numbered: bool,
    /// What it is in the course of an engine's request.
    #[serde(default)]
    pub stage: Option<Stage>,
    /// Its crossings are joined: one span stands for many. `None`: each is a span of its own.
    #[serde(default)]
    pub fold: Option<Box<FoldRule>>,
    /// For counted entries: attribute of what was called most.
    #[serde(default)]
    pub called: Option<String>,
    /// Works with a device (a GPU): spans say how much of its memory the process holds.
    #[serde(default)]
    pub on_device: bool,
    /// What its calls do to that memory.
    #[serde(default)]
    pub memory: Option<MemoryRule>,
    /// Slot of a sequence's number: for as long as a crossing is open, the sequence is its request's.
    #[serde(default)]
    pub sequence: Option<u32>,
    /// Slot of the engine's context that the sequence is of, as its steps are folded by. `None`: the process
    /// is taken to have one.
    #[serde(default)]
    pub engine: Option<u32>,
    /// Name of the spans of steps that were made for several sequences at once.
    #[serde(default)]
    pub batch: Option<String>,
}

/// What a call does to a device's memory. It counts if it returns 0 in `result`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryRule {
    /// What.
    pub effect: MemoryEffect,
    /// Slot of the result.
    pub result: u32,
    /// Calls that are shorter, in nanoseconds, become no spans.
    pub min_ns: u64,
}

/// What a call does to a device's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MemoryEffect {
    /// Takes so many bytes.
    Allocates {
        /// Slot of the address.
        address: u32,
        /// Slot of the size.
        bytes: u32,
    },
    /// Gives back what lies at an address.
    Frees {
        /// Slot of the address.
        address: u32,
    },
    /// Gives back nobody knows what: all of a context's memory.
    Resets,
}

/// Which crossings of one request one span stands for: those of one name under one parent, one after
/// the other. It lasts from the first entry to the last exit.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct FoldRule {
    /// Crossings with different values of this slot (an engine's context) go to different spans.
    pub by: Option<u32>,
    /// A crossing that begins so many nanoseconds after the one before has ended begins a new span.
    pub idle_ns: u64,
    /// Slots whose values are added up. Of others, the first crossing's value stays.
    pub sum: Vec<u32>,
    /// The sum of a slot in each second of the span.
    pub rate: Option<Rate>,
    /// Attributes by the values of the latest crossing.
    pub last: Vec<AttributeRule>,
    /// Crossings that are no repetition yet, but the preparation of it, go to a span of another name.
    pub opening: Option<Opening>,
}

/// An attribute: the sum of a slot, divided by the span's length in seconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rate {
    /// Attribute key.
    pub key: String,
    /// Slot, one of those that are summed.
    pub slot: u32,
}

/// How the first crossings of a repetition are known (a prompt's chunks before its tokens).
///
/// A crossing works on `length` items from `position` on. It repeats if a crossing of the region
/// `until` lies between it and the one before, if its position follows on that one, and if it has
/// one item, or asks for a result of `each`. Otherwise it opens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Opening {
    /// Span name.
    pub name: String,
    /// Name of the region whose crossings lie between repetitions.
    pub until: String,
    /// Slot: number of items of a crossing.
    pub length: u32,
    /// Slot: position of its first item. Where it was not read, it counts as following on.
    pub position: Option<u32>,
    /// Slot: not 0 if a result is asked for at the first item too, and so at each.
    pub each: Option<u32>,
    /// Whether openings are numbered where a request has several.
    #[serde(default)]
    pub numbered: bool,
    /// Attributes of the opening span.
    pub attributes: Vec<AttributeRule>,
    /// Attribute of the repetitions' span: how many crossings of `until` there were since the opening.
    pub until_count: Option<String>,
    /// Attribute of the opening span: seconds from the start of the request to the end of the first
    /// crossing of `until`. Left out where the request's start is not known.
    pub first_result: Option<String>,
}

/// What a slot must hold. A slot that was not read meets no condition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condition {
    /// Slot.
    pub slot: u32,
    /// Bits of the slot that count, `u64::MAX` for all of them; the others are taken as 0.
    pub mask: u64,
    /// Numbers to compare the masked slot with, as a signed integer.
    pub values: Vec<i64>,
    /// `true`: met if the number is among `values`; `false`: met if it is not.
    pub among: bool,
}

/// A part of what an inference engine does for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// All of it: its entry is the request's arrival at the engine.
    Request,
    /// A forward pass.
    Forward,
}

/// What a crossing becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// A span.
    Span,
    /// A span of a worker thread: beyond the limit for one parent, summed on the parent.
    Worker,
    /// An event on the enclosing span (an improved solution, say), at its end time.
    SpanEvent,
}

/// How slots become an attribute. A slot that was not read leaves the attribute out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AttributeRule {
    /// Attribute key.
    pub key: String,
    /// How the value is made.
    pub value: ValueRule,
}

/// How slots become a value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ValueRule {
    /// The slot as a signed integer.
    Int {
        /// Slot.
        slot: u32,
    },
    /// The slot as the bits of an `f64`; not finite: left out.
    Float {
        /// Slot.
        slot: u32,
    },
    /// The slot as the bits of an `f32` in the low half; not finite: left out.
    Float32 {
        /// Slot.
        slot: u32,
    },
    /// The slot is not zero.
    Bool {
        /// Slot.
        slot: u32,
    },
    /// The crossing's text, if it is the one that marks this slot.
    Text {
        /// Slot.
        slot: u32,
    },
    /// A name for each number; a number without a name is left out.
    Enum {
        /// Slot.
        slot: u32,
        /// Names.
        names: BTreeMap<i64, String>,
    },
    /// Whether the number is one of these.
    OneOf {
        /// Slot.
        slot: u32,
        /// The numbers that mean "true".
        values: Vec<i64>,
    },
    /// `slot` (an f64) reached `limit` (an f64), and the number in `unless` is none of `except`.
    Reached {
        /// Slot of the measured value.
        slot: u32,
        /// Slot of the limit.
        limit: u32,
        /// Slot of a status.
        unless: u32,
        /// Statuses under which the limit was not what ended it.
        except: Vec<i64>,
    },
    /// The slot as a signed integer, divided: a size in bytes into a count of elements.
    Quotient {
        /// Slot.
        slot: u32,
        /// Divisor, not zero.
        divisor: i64,
    },
    /// The slots as signed integers, added up. If one was not read, there is no total.
    Total {
        /// Slots.
        slots: Vec<u32>,
    },
    /// Integers multiplied; left out if they are more than an `i64` holds.
    Product {
        /// Slots.
        slots: Vec<u32>,
    },
    /// `(value + offset) * factor` in `f64`, in this order; a factor of 0 stands for 1. `i64::MIN`
    /// and `i64::MAX` are infinities, so they are left out like any result that is not finite.
    Scaled {
        /// Slot of the value, a signed integer.
        slot: u32,
        /// Slot of the offset, the bits of an `f64`.
        offset: u32,
        /// Slot of the factor, the bits of an `f64`.
        factor: u32,
    },
    /// A text, the same for each crossing.
    Constant {
        /// The text.
        text: String,
    },
    /// What `value` says, if the condition is met; else left out.
    Given {
        /// The condition.
        when: Condition,
        /// The rule for the value.
        value: Box<ValueRule>,
    },
}

/// When a native result means that the call failed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FailureRule {
    /// Slot that holds the result.
    pub slot: u32,
    /// `error.type` for each number that is an error.
    pub errors: BTreeMap<i64, String>,
}
