//! One region of a file, checked.

use std::time::Duration;

use hotspan_common::{RegionFlags, TALLY_SLOT};
use hotspan_synth::region::{AttributeRule, Meaning, Stage, ValueRule};
use toml::Spanned;

use super::{
    Source,
    anchor::{self, Anchor},
    attributes, devices,
    error::CatalogueError,
    folds,
    numbering::Numbering,
    reads::ReadRule,
    schema::{self, Region, Role},
    slots::Slots,
};
use crate::catalogue::capture::{Capture, RegionRole};

/// Crossings shorter than this are counted, not emitted, unless the region says otherwise.
const DEFAULT_MIN_NS: u64 = 100_000;
/// Entries a second and thread that a region may have unless it says otherwise.
pub const DEFAULT_MAX_RATE: u32 = 2_000;

/// One region.
#[derive(Debug)]
pub(in crate::catalogue) struct Rule {
    pub library: usize,
    pub name: String,
    pub reads: Vec<ReadRule>,
    pub anchor: Option<Anchor>,
    /// Symbols of functions that end it where they are called last.
    pub ends_before: Vec<String>,
    /// Symbol of the function whose call by the region's is what the region is about.
    pub at_call: Option<String>,
    pub capture: Capture,
    pub meaning: Meaning,
}

/// The region of a file whose library has this number, and may say which objects it is for.
pub(super) fn check(
    source: &Source,
    (library, has_objects): (usize, bool),
    region: &Region,
    reads: Vec<ReadRule>,
    numbering: &mut Numbering,
) -> Result<Rule, CatalogueError> {
    check_name(source, &region.name)?;
    let capture = capture(source, region, &reads, numbering)?;
    let slots = numbering.slots(region);
    check_tally(source, region, slots)?;
    let at_call = at_call(source, region, &reads)?;
    Ok(Rule {
        library,
        name: region.name.get_ref().clone(),
        anchor: Anchor::check(source, region, has_objects)?,
        ends_before: ends_before(source, region)?,
        at_call,
        meaning: meaning(source, region, slots, capture.min_ns)?,
        capture,
        reads,
    })
}

fn capture(
    source: &Source,
    region: &Region,
    reads: &[ReadRule],
    numbering: &mut Numbering,
) -> Result<Capture, CatalogueError> {
    let (group, burst) = (numbering.group(region), numbering.burst(region));
    Ok(Capture {
        role: RegionRole::from(region.role),
        min_ns: min_ns(source, region)?,
        limit_per_s: region.max_rate.unwrap_or(DEFAULT_MAX_RATE),
        flags: flags(source, region)?,
        group,
        notes_result: notes_result(source, region, reads, group)?,
        burst,
        count_by: devices::count_by(source, region)?,
        members: devices::members(source, region)?,
    })
}

fn meaning(
    source: &Source,
    region: &Region,
    slots: &Slots,
    min_ns: u64,
) -> Result<Meaning, CatalogueError> {
    let (failure, only_if) = (&region.failure, &region.only_if);
    Ok(Meaning {
        attributes: attributes_of(source, region, slots)?,
        failure: failure
            .as_ref()
            .map(|failure| attributes::failure(source, failure, slots))
            .transpose()?,
        only_if: only_if
            .as_ref()
            .map(|condition| attributes::only_if(source, condition, slots))
            .transpose()?,
        event_of: event_of(source, region)?,
        cold_start: region.cold_start,
        numbered: numbered(source, region)?,
        stage: stage(source, region)?,
        fold: folds::fold(source, region, slots)?.map(Box::new),
        called: (region.count_by.as_ref()).map(|by| by.key.get_ref().clone()),
        on_device: region.on_device,
        memory: devices::memory(source, region, slots, min_ns)?,
        sequence: devices::sequence(source, region, slots)?,
        engine: devices::engine(source, region, slots)?,
        batch: devices::batch(source, region)?,
    })
}

fn ends_before(source: &Source, region: &Region) -> Result<Vec<String>, CatalogueError> {
    let has_exits = !matches!(region.role, Role::Note | Role::Tally);
    if let (Some(first), false) = (region.ends_before.first(), has_exits) {
        let reason = "ends_before: a note and a tally have no end";
        return Err(CatalogueError::at(source, first, reason));
    }
    let symbols = region.ends_before.iter();
    Ok(symbols.map(|symbol| symbol.get_ref().clone()).collect())
}

/// A moment has no exits, so nothing can be read there.
fn at_call(
    source: &Source,
    region: &Region,
    reads: &[ReadRule],
) -> Result<Option<String>, CatalogueError> {
    let Some(symbol) = &region.at_call else {
        return Ok(None);
    };
    let reason = if region.role != Role::SpanEvent {
        "at_call: only an event (`role = \"span_event\"`) can be a moment"
    } else if reads.iter().any(ReadRule::is_at_exit) {
        "at_call: a moment has no exit that anything could be read at"
    } else if !region.ends_before.is_empty() {
        "at_call: a moment has no end (`ends_before`)"
    } else {
        return Ok(Some(symbol.get_ref().clone()));
    };
    Err(CatalogueError::at(source, symbol, reason))
}

/// Whether it is a note of its function's result.
fn notes_result(
    source: &Source,
    region: &Region,
    reads: &[ReadRule],
    group: u32,
) -> Result<bool, CatalogueError> {
    if region.role != Role::Note {
        return Ok(false);
    }
    if group == 0 {
        let reason = "a note needs the `group` of the regions that it adds to";
        return Err(CatalogueError::at(source, &region.name, reason));
    }
    let of_result = reads.iter().any(ReadRule::is_at_exit);
    if of_result && !reads.iter().all(ReadRule::is_of_result) {
        let reason = "a note reads either what its function is called with, or its result";
        return Err(CatalogueError::at(source, &region.name, reason));
    }
    Ok(of_result)
}

fn check_tally(source: &Source, region: &Region, slots: &Slots) -> Result<(), CatalogueError> {
    if region.role == Role::Tally && slots.len() > TALLY_SLOT as usize {
        let reason = format!("a tally can read {TALLY_SLOT} slots: the last is its count");
        return Err(CatalogueError::at(source, &region.name, reason));
    }
    Ok(())
}

fn attributes_of(
    source: &Source,
    region: &Region,
    slots: &Slots,
) -> Result<Vec<AttributeRule>, CatalogueError> {
    let count = (region.role == Role::Tally).then(|| {
        Ok(AttributeRule {
            key: "hotspan.count".to_owned(),
            value: ValueRule::Int { slot: TALLY_SLOT },
        })
    });
    let written = region.attributes.iter();
    count
        .into_iter()
        .chain(written.map(|attribute| attributes::attribute(source, attribute, slots)))
        .collect()
}

fn event_of(source: &Source, region: &Region) -> Result<Option<String>, CatalogueError> {
    let Some(name) = &region.event_of else {
        return Ok(None);
    };
    if region.role == Role::SpanEvent {
        return Ok(Some(name.get_ref().clone()));
    }
    let reason = "event_of: only an event (`role = \"span_event\"`) is one of a span";
    Err(CatalogueError::at(source, name, reason))
}

fn numbered(source: &Source, region: &Region) -> Result<bool, CatalogueError> {
    if region.numbered && (region.role != Role::Span || region.fold.is_some()) {
        let reason = "numbered: only whole calls can be (`role = \"span\"`, no `fold`; an opening has its own)";
        return Err(CatalogueError::at(source, &region.name, reason));
    }
    Ok(region.numbered)
}

fn stage(source: &Source, region: &Region) -> Result<Option<Stage>, CatalogueError> {
    let stage = region.stage.map(|stage| match stage {
        schema::Stage::Request => Stage::Request,
        schema::Stage::Forward => Stage::Forward,
    });
    let is_whole = stage != Some(Stage::Request) || region.fold.is_none();
    if is_whole && (stage.is_none() || matches!(region.role, Role::Span | Role::Worker)) {
        return Ok(stage);
    }
    let reason = "stage: only spans have one, and a request is no repetition (`fold`)";
    Err(CatalogueError::at(source, &region.name, reason))
}

pub(super) fn check_name(source: &Source, name: &Spanned<String>) -> Result<(), CatalogueError> {
    let part = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'))
    };
    let text = anchor::with_class(name.get_ref());
    if text.split('.').count() >= 2 && text.split('.').all(part) {
        return Ok(());
    }
    let reason = format!("`{text}` is no region name: `library.operation` in lower case is needed");
    Err(CatalogueError::at(source, name, reason))
}

fn min_ns(source: &Source, region: &Region) -> Result<u64, CatalogueError> {
    match &region.min_duration {
        Some(text) => nanoseconds(source, "min_duration", text),
        None => Ok(DEFAULT_MIN_NS),
    }
}

/// A duration as people write it, in nanoseconds.
pub(super) fn nanoseconds(
    source: &Source,
    key: &str,
    text: &Spanned<String>,
) -> Result<u64, CatalogueError> {
    let fail = |reason: String| CatalogueError::at(source, text, reason);
    let duration: Duration = humantime::parse_duration(text.get_ref())
        .map_err(|error| fail(format!("{key}: {error}")))?;
    u64::try_from(duration.as_nanos()).map_err(|_| fail(format!("{key}: too long")))
}

fn flags(source: &Source, region: &Region) -> Result<u32, CatalogueError> {
    let mut flags = 0;
    if region.role == Role::Tally {
        flags |= RegionFlags::TALLY | RegionFlags::KEEP_ALL;
    }
    if region.keep_all
        || region.role == Role::SpanEvent
        || region.fold.is_some()
        || region.stage.is_some()
        || region.sequence.is_some()
    {
        flags |= RegionFlags::KEEP_ALL;
    }
    if region.memory.is_some() {
        flags |= RegionFlags::LEDGER;
    }
    if !region.on_workers {
        flags |= RegionFlags::NOT_BY_LINEAGE;
    }
    if devices::outermost(source, region)? {
        flags |= RegionFlags::OUTERMOST;
    }
    if region.at_call.is_some() {
        flags |= RegionFlags::MOMENT;
    }
    // Who names a function of a program's own may well ask what it does.
    if source.is_shipped && matches!(region.role, Role::Span | Role::Worker) {
        flags |= RegionFlags::OPAQUE;
    }
    Ok(flags)
}

impl From<Role> for RegionRole {
    fn from(role: Role) -> Self {
        match role {
            Role::Span => Self::Span,
            Role::Worker => Self::Worker,
            Role::SpanEvent => Self::SpanEvent,
            Role::Tally => Self::Tally,
            Role::Note => Self::Note,
        }
    }
}
