//! The checked catalogue: files merged, slots and groups numbered.

use std::{path::PathBuf, time::Duration};

use glob::Pattern;
use hotspan_common::{RegionFlags, TALLY_SLOT};
use hotspan_synth::region::{
    AttributeRule, Condition, FailureRule, FoldRule, MemoryRule, Stage, ValueRule,
};
use toml::Spanned;

use super::{
    analysis::{BEGIN_CATCH, LOADED},
    anchors::{self, Anchor},
    attributes,
    devices::{self, CountBy, Members},
    error::CatalogueError,
    folds,
    found::RegionRole,
    matcher::Matcher,
    numbering::Numbering,
    reads::ReadRule,
    schema::{self, File, Region, Role},
    shipped,
    slots::Slots,
    version::VersionRule,
};

/// Crossings shorter than this are counted, not emitted, unless the region says otherwise.
const DEFAULT_MIN_NS: u64 = 100_000;
/// Entries a second and thread that a region may have unless it says otherwise.
pub const DEFAULT_MAX_RATE: u32 = 2_000;

/// A file's name and text.
#[derive(Clone, Debug)]
pub struct Source {
    /// As errors name it.
    pub name: String,
    /// The text.
    pub text: String,
}

/// All rules, ready to be applied to objects.
#[derive(Debug)]
pub struct Catalogue {
    pub(super) libraries: Vec<Library>,
    pub(super) rules: Vec<Rule>,
    pub(super) matcher: Matcher,
}

/// What a file says of its library as a whole.
#[derive(Debug)]
pub(super) struct Library {
    pub name: String,
    /// Globs over file names; empty: all.
    pub objects: Vec<Pattern>,
    pub version: VersionRule,
}

/// One region.
#[derive(Debug)]
pub(super) struct Rule {
    pub library: usize,
    pub name: String,
    pub role: RegionRole,
    pub min_ns: u64,
    pub limit_per_s: u32,
    pub flags: u32,
    pub group: u32,
    /// A note that is taken at the function's exits, of its result.
    pub notes_result: bool,
    pub reads: Vec<ReadRule>,
    pub attributes: Vec<AttributeRule>,
    pub failure: Option<FailureRule>,
    pub only_if: Option<Condition>,
    pub event_of: Option<String>,
    pub cold_start: bool,
    pub numbered: bool,
    pub stage: Option<Stage>,
    pub fold: Option<FoldRule>,
    /// Number of its bursts: regions of one name have the same; 0: no tally.
    pub burst: u32,
    pub count_by: Option<CountBy>,
    pub on_device: bool,
    pub memory: Option<MemoryRule>,
    pub members: Option<Members>,
    pub sequence: Option<u32>,
    /// Slot of the engine's context that it is of.
    pub engine: Option<u32>,
    /// Name of the spans of steps for several sequences.
    pub batch: Option<String>,
    pub anchor: Option<Anchor>,
}

/// A region between parsing and checking.
struct Pending {
    library: usize,
    region: Region,
}

impl Catalogue {
    /// The shipped files, then these, in order.
    pub fn load(files: &[PathBuf]) -> Result<Self, CatalogueError> {
        let mut sources = shipped::sources();
        for path in files {
            let name = path.display().to_string();
            let text = std::fs::read_to_string(path).map_err(|error| CatalogueError {
                file: name.clone(),
                line: None,
                reason: error.to_string(),
            })?;
            sources.push(Source { name, text });
        }
        Self::from_sources(&sources)
    }

    /// Exactly these files, in order.
    pub fn from_sources(sources: &[Source]) -> Result<Self, CatalogueError> {
        let mut libraries = Vec::new();
        let mut pending: Vec<Pending> = Vec::new();
        for (index, source) in sources.iter().enumerate() {
            let mut file: File = toml::from_str(&source.text)
                .map_err(|error| CatalogueError::from_toml(source, &error))?;
            let regions = std::mem::take(&mut file.regions);
            libraries.push(library(source, &file)?);
            pending.retain(|old| {
                let replaced = |new: &Region| new.name.get_ref() == old.region.name.get_ref();
                !regions.iter().any(replaced)
            });
            pending.extend(regions.into_iter().map(|region| Pending {
                library: index,
                region,
            }));
        }
        pending.retain(|pending| pending.region.enabled);
        check_regions(sources, libraries, &pending)
    }

    /// Names of the regions, each once, in order.
    pub fn region_names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for rule in &self.rules {
            if !names.contains(&rule.name.as_str()) {
                names.push(&rule.name);
            }
        }
        names
    }
}

fn check_regions(
    sources: &[Source],
    libraries: Vec<Library>,
    pending: &[Pending],
) -> Result<Catalogue, CatalogueError> {
    let mut numbering = Numbering::default();
    let mut reads = Vec::with_capacity(pending.len());
    for Pending { library, region } in pending {
        reads.push(numbering.reads(&sources[*library], region)?);
    }
    let mut matcher = Matcher::builder();
    let mut rules = Vec::with_capacity(pending.len());
    for (index, (Pending { library, region }, reads)) in pending.iter().zip(reads).enumerate() {
        let source = &sources[*library];
        let place = (*library, !libraries[*library].objects.is_empty());
        rules.push(rule(source, place, region, reads, &mut numbering)?);
        matcher.add(index, source, region)?;
    }
    for getter in rules
        .iter()
        .flat_map(|rule| &rule.reads)
        .filter_map(|read| read.offset_of.as_ref())
    {
        matcher.add_named(getter);
    }
    matcher.add_named(BEGIN_CATCH);
    matcher.add_named(LOADED);
    for library in &libraries {
        matcher.add_version(&library.version);
    }
    Ok(Catalogue {
        matcher: matcher.build()?,
        libraries,
        rules,
    })
}

fn library(source: &Source, file: &File) -> Result<Library, CatalogueError> {
    let objects = file
        .objects
        .iter()
        .map(|glob| {
            Pattern::new(glob.get_ref()).map_err(|error| {
                CatalogueError::new(source, Some(glob.span()), format!("objects: {error}"))
            })
        })
        .collect::<Result<_, _>>()?;
    Ok(Library {
        name: file.library.get_ref().clone(),
        objects,
        version: VersionRule::check(source, &file.version)?,
    })
}

fn rule(
    source: &Source,
    (library, has_objects): (usize, bool),
    region: &Region,
    reads: Vec<ReadRule>,
    numbering: &mut Numbering,
) -> Result<Rule, CatalogueError> {
    check_name(source, &region.name)?;
    let anchor = Anchor::check(source, region, has_objects)?;
    let (group, burst) = (numbering.group(region), numbering.burst(region));
    if region.role == Role::Note && group == 0 {
        let reason = "a note needs the `group` of the regions that it adds to";
        return Err(CatalogueError::new(
            source,
            Some(region.name.span()),
            reason,
        ));
    }
    let notes_result = region.role == Role::Note && reads.iter().any(ReadRule::is_at_exit);
    if notes_result && !reads.iter().all(ReadRule::is_of_result) {
        let reason = "a note reads either what its function is called with, or its result";
        return Err(CatalogueError::new(
            source,
            Some(region.name.span()),
            reason,
        ));
    }
    let slots = numbering.slots(region);
    if region.role == Role::Tally && slots.len() > TALLY_SLOT as usize {
        let reason = format!("a tally can read {TALLY_SLOT} slots: the last is its count");
        return Err(CatalogueError::new(
            source,
            Some(region.name.span()),
            reason,
        ));
    }
    let min_ns = min_ns(source, region)?;
    let mut flags = flags(region);
    if devices::outermost(source, region)? {
        flags |= RegionFlags::OUTERMOST;
    }
    Ok(Rule {
        library,
        name: region.name.get_ref().clone(),
        role: RegionRole::from(region.role),
        min_ns,
        limit_per_s: region.max_rate.unwrap_or(DEFAULT_MAX_RATE),
        flags,
        group,
        notes_result,
        reads,
        attributes: attributes_of(source, region, slots)?,
        failure: region
            .failure
            .as_ref()
            .map(|failure| attributes::failure(source, failure, slots))
            .transpose()?,
        event_of: event_of(source, region)?,
        cold_start: region.cold_start,
        numbered: numbered(source, region)?,
        stage: stage(source, region)?,
        fold: folds::fold(source, region, slots)?,
        burst,
        count_by: devices::count_by(source, region)?,
        on_device: region.on_device,
        memory: devices::memory(source, region, slots, min_ns)?,
        members: devices::members(source, region)?,
        sequence: devices::sequence(source, region, slots)?,
        engine: devices::engine(source, region, slots)?,
        batch: devices::batch(source, region)?,
        anchor,
        only_if: region
            .only_if
            .as_ref()
            .map(|condition| attributes::only_if(source, condition, slots))
            .transpose()?,
    })
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
    Err(CatalogueError::new(source, Some(name.span()), reason))
}

fn numbered(source: &Source, region: &Region) -> Result<bool, CatalogueError> {
    if region.numbered && (region.role != Role::Span || region.fold.is_some()) {
        let reason = "numbered: only whole calls can be (`role = \"span\"`, no `fold`; an opening has its own)";
        return Err(CatalogueError::new(
            source,
            Some(region.name.span()),
            reason,
        ));
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
    Err(CatalogueError::new(
        source,
        Some(region.name.span()),
        reason,
    ))
}

pub(super) fn check_name(source: &Source, name: &Spanned<String>) -> Result<(), CatalogueError> {
    let part = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'))
    };
    let text = anchors::with_class(name.get_ref());
    if text.split('.').count() >= 2 && text.split('.').all(part) {
        return Ok(());
    }
    let reason = format!("`{text}` is no region name: `library.operation` in lower case is needed");
    Err(CatalogueError::new(source, Some(name.span()), reason))
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
    let fail = |reason: String| CatalogueError::new(source, Some(text.span()), reason);
    let duration: Duration = humantime::parse_duration(text.get_ref())
        .map_err(|error| fail(format!("{key}: {error}")))?;
    u64::try_from(duration.as_nanos()).map_err(|_| fail(format!("{key}: too long")))
}

fn flags(region: &Region) -> u32 {
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
    flags
}
