//! Rules about devices and engines: what is launched there, their memory, and whom a step serves.

use hotspan_common::Base;
use hotspan_synth::region::{MemoryEffect, MemoryRule};
use toml::Spanned;

use super::{
    Source,
    error::CatalogueError,
    reads,
    rule::check_name,
    schema::{self, Region, Role},
    slots::{Class, Slots},
};
use crate::catalogue::capture::Members;

/// Checks where a step says whom it serves.
pub(super) fn members(source: &Source, region: &Region) -> Result<Option<Members>, CatalogueError> {
    let Some(written) = &region.members else {
        return Ok(None);
    };
    let is_step = region.role == Role::Span && region.fold.is_some();
    if !is_step || [written.count, written.list, written.wanted].contains(&0) {
        let reason = "members: only steps that are joined (`fold`) have them, and none lies at 0";
        return Err(CatalogueError::at(source, &region.name, reason));
    }
    Ok(Some(Members {
        count: written.count,
        list: written.list,
        wanted: written.wanted,
    }))
}

/// Checks which slot has the number of the sequence that a request holds.
pub(super) fn sequence(
    source: &Source,
    region: &Region,
    slots: &Slots,
) -> Result<Option<u32>, CatalogueError> {
    let Some(name) = &region.sequence else {
        return Ok(None);
    };
    let fail = |reason: String| CatalogueError::at(source, name, reason);
    if region.role != Role::Span || region.fold.is_some() {
        return Err(fail("sequence: only single calls hold one".to_owned()));
    }
    (slots.of_class(name.get_ref(), Class::Integer))
        .map(Some)
        .map_err(fail)
}

/// Checks which slot has the engine's context that the sequence is of.
pub(super) fn engine(
    source: &Source,
    region: &Region,
    slots: &Slots,
) -> Result<Option<u32>, CatalogueError> {
    let Some(name) = &region.engine else {
        return Ok(None);
    };
    let fail = |reason: String| CatalogueError::at(source, name, reason);
    if region.sequence.is_none() {
        return Err(fail(
            "engine: only what holds a `sequence` has it".to_owned(),
        ));
    }
    (slots.of_class(name.get_ref(), Class::Integer))
        .map(Some)
        .map_err(fail)
}

/// The name of a step's spans when it is made for several sequences.
pub(super) fn batch(source: &Source, region: &Region) -> Result<Option<String>, CatalogueError> {
    let name = (region.members.as_ref()).and_then(|members| members.name.as_ref());
    let Some(name) = name else { return Ok(None) };
    check_name(source, name)?;
    Ok(Some(name.get_ref().clone()))
}

/// Checks by what a tally's entries are counted besides.
pub(super) fn count_by(source: &Source, region: &Region) -> Result<Option<Base>, CatalogueError> {
    let Some(written) = &region.count_by else {
        return Ok(None);
    };
    let from = reads::base(written.from);
    let fail = |reason: &str| Err(CatalogueError::at(source, &written.key, reason));
    if region.role != Role::Tally {
        return fail("count_by: only entries that are counted (`role = \"tally\"`) have it");
    }
    if !matches!(from, Base::Arg0 | Base::Arg1) {
        return fail("count_by: `from` is arg0 or arg1");
    }
    Ok(Some(from))
}

/// Checks what a region's calls do to a device's memory.
pub(super) fn memory(
    source: &Source,
    region: &Region,
    slots: &Slots,
    min_ns: u64,
) -> Result<Option<MemoryRule>, CatalogueError> {
    let Some(memory) = &region.memory else {
        return Ok(None);
    };
    let at = |name: &Spanned<String>, reason: String| CatalogueError::at(source, name, reason);
    let slot = |name: &Spanned<String>| {
        (slots.of_class(name.get_ref(), Class::Integer)).map_err(|reason| at(name, reason))
    };
    let needed = |name: &Option<Spanned<String>>, key: &str| match name {
        Some(name) => slot(name),
        None => Err(at(&region.name, format!("memory: `{key}` is needed here"))),
    };
    if region.role != Role::Span || region.fold.is_some() {
        let reason = "memory: only single calls have it (`role = \"span\"`, no `fold`)";
        return Err(at(&region.name, reason.to_owned()));
    }
    let effect = match memory.effect {
        schema::MemoryEffect::Allocates => MemoryEffect::Allocates {
            address: needed(&memory.address, "address")?,
            bytes: needed(&memory.bytes, "bytes")?,
        },
        schema::MemoryEffect::Frees => MemoryEffect::Frees {
            address: needed(&memory.address, "address")?,
        },
        schema::MemoryEffect::Resets => MemoryEffect::Resets,
    };
    Ok(Some(MemoryRule {
        effect,
        result: slot(&memory.result)?,
        min_ns,
    }))
}

/// Checks that what may be part of another crossing says of which.
pub(super) fn outermost(source: &Source, region: &Region) -> Result<bool, CatalogueError> {
    if region.outermost && region.group.is_none() {
        let reason = "outermost: within which `group`?";
        return Err(CatalogueError::at(source, &region.name, reason));
    }
    Ok(region.outermost)
}
