//! Reads: from what the file says to what the kernel programs are told, behind its gates.

use hotspan_common::{Base, MAX_HOPS, ReadSpec, ReadWhen, ValueKind};
use semver::{Version, VersionReq};

use super::{
    Source,
    error::CatalogueError,
    schema::{From, Kind, Read, When},
    slots::{Class, Slots},
};
use crate::object::BuildId;

/// One read, with the gates that must hold for it.
#[derive(Clone, Debug)]
pub(in crate::catalogue) struct ReadRule {
    pub slot: String,
    spec: ReadSpec,
    /// A getter whose offset is the last one.
    pub offset_of: Option<String>,
    versions: Option<VersionReq>,
    build_ids: Vec<String>,
}

impl ReadRule {
    /// Checks a read and gives its slot a number.
    pub(super) fn check(
        source: &Source,
        read: &Read,
        slots: &mut Slots,
    ) -> Result<Self, CatalogueError> {
        let slot = read.slot.get_ref();
        let at_slot = |reason: String| CatalogueError::at(source, &read.slot, reason);
        let number = slots.declare(slot, Class::of(read.kind)).map_err(at_slot)?;
        let spec = spec(read, number).map_err(at_slot)?;
        let versions = read
            .versions
            .as_ref()
            .map(|text| {
                VersionReq::parse(text.get_ref())
                    .map_err(|error| CatalogueError::at(source, text, format!("versions: {error}")))
            })
            .transpose()?;
        let build_ids = read
            .build_ids
            .iter()
            .map(|id| {
                hexadecimal(id.get_ref()).map_err(|reason| CatalogueError::at(source, id, reason))
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            slot: slot.clone(),
            spec,
            offset_of: read
                .offset_of
                .as_ref()
                .map(|symbol| symbol.get_ref().clone()),
            versions,
            build_ids,
        })
    }

    /// Number of the slot that it fills.
    pub(in crate::catalogue) fn number(&self) -> u32 {
        self.spec.slot
    }

    /// Whether it is read when the function returns.
    pub(super) fn is_at_exit(&self) -> bool {
        self.spec.when == ReadWhen::Exit.wire()
    }

    /// Whether it reads the result, or what that points to.
    pub(super) fn is_of_result(&self) -> bool {
        self.spec.base == Base::Result.wire()
    }

    /// What to read in this build, if the gates hold and `getter_offset` knows the getter.
    pub(in crate::catalogue) fn resolve(
        &self,
        version: Option<&Version>,
        build_id: Option<&BuildId>,
        getter_offset: impl Fn(&str) -> Option<i32>,
    ) -> Option<ReadSpec> {
        if !self.holds(version, build_id) {
            return None;
        }
        let mut spec = self.spec;
        if let Some(getter) = &self.offset_of {
            let last = spec
                .offsets
                .get_mut(usize::from(spec.hops).checked_sub(1)?)?;
            *last = getter_offset(getter)?;
        }
        Some(spec)
    }

    /// Whether the read is valid for this build.
    fn holds(&self, version: Option<&Version>, build_id: Option<&BuildId>) -> bool {
        let version_holds = match &self.versions {
            Some(wanted) => version.is_some_and(|version| wanted.matches(version)),
            None => true,
        };
        let build_holds = self.build_ids.is_empty()
            || build_id.is_some_and(|id| self.build_ids.iter().any(|hex| id.starts_with(hex)));
        version_holds && build_holds
    }
}

/// A build id or a prefix of it, in lower case.
pub(super) fn hexadecimal(text: &str) -> Result<String, String> {
    let valid = text.len() >= 4 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if valid {
        Ok(text.to_ascii_lowercase())
    } else {
        Err(format!(
            "`{text}` is no build id: 4 or more hexadecimal digits are needed"
        ))
    }
}

fn spec(read: &Read, slot: u32) -> Result<ReadSpec, String> {
    let hops = read.offsets.len() + usize::from(read.offset_of.is_some());
    if hops > MAX_HOPS {
        return Err(format!("{hops} offsets; {MAX_HOPS} can be followed"));
    }
    let is_text = Class::of(read.kind) == Class::Text;
    // A register holds no object: without an offset there is nothing to read at.
    if hops == 0 && (is_text && read.kind == Kind::StdString || read.from == From::Stack) {
        return Err("offsets are needed here (`offsets = [0]`: at the address itself)".to_owned());
    }
    let from_result = read.from == From::Result;
    let when = match (read.when, from_result) {
        (Some(When::Entry), true) => {
            return Err("the result is not known at the entry".to_owned());
        }
        (Some(When::Exit) | None, true) | (Some(When::Exit), false) => ReadWhen::Exit,
        (Some(When::Entry) | None, false) => ReadWhen::Entry,
    };
    let mut offsets = [0; MAX_HOPS];
    for (to, offset) in offsets.iter_mut().zip(&read.offsets) {
        *to = *offset.get_ref();
    }
    Ok(ReadSpec {
        base: base(read.from).wire(),
        when: when.wire(),
        kind: kind(read.kind).wire(),
        hops: hops as u8,
        slot,
        offsets,
        reserved: 0,
    })
}

pub(super) fn base(from: From) -> Base {
    match from {
        From::Arg0 => Base::Arg0,
        From::Arg1 => Base::Arg1,
        From::Arg2 => Base::Arg2,
        From::Arg3 => Base::Arg3,
        From::Arg4 => Base::Arg4,
        From::Arg5 => Base::Arg5,
        From::Stack => Base::EntryStack,
        From::Result => Base::Result,
    }
}

fn kind(kind: Kind) -> ValueKind {
    match kind {
        Kind::U8 | Kind::Bool => ValueKind::U8,
        Kind::I32 => ValueKind::I32,
        Kind::U32 => ValueKind::U32,
        Kind::I64 | Kind::U64 | Kind::F64 => ValueKind::U64,
        Kind::F32 => ValueKind::F32,
        Kind::Cstr => ValueKind::CStr,
        Kind::StdString => ValueKind::StdString,
    }
}
