//! Rules to regions: the catalogue applied to one object file.

mod anchored;
mod cache;
mod found;
mod hot;
mod moment;
mod reads;
mod report;
mod scan;
mod stacks;

use std::{collections::HashMap, io, path::Path};

use semver::Version;

pub use self::{
    anchored::BrokenAnchor,
    cache::{Analysed, AnalysisCache},
    found::{FoundRegion, RefusedBecause, RefusedRegion},
    hot::{HotFunction, NotProbed},
    report::{ObjectReport, RegionLine, Report, State},
};
use self::{
    anchored::Found,
    moment::Placed,
    reads::Reads,
    scan::{Hit, Scan},
};
use super::{
    capture::RegionRole,
    check::{BEGIN_CATCH, Catalogue, LOADED, Rule},
};
use crate::object::{
    BuildId, Image, Links, OpenError, SymbolTable, Unwind,
    exits::{self, Exits, Function, LastCalls, Refusal, Searched},
};

/// What the catalogue finds in an object.
#[derive(Clone, Debug, Default)]
pub struct Analysis {
    /// The object's build id.
    pub build_id: Option<BuildId>,
    /// Symbols that were looked at.
    pub symbols: usize,
    /// Whether it has dynamic symbols only.
    pub stripped: bool,
    /// Libraries of the catalogue that are in it, each with its version if that is known.
    pub libraries: Vec<(String, Option<Version>)>,
    /// What can be armed.
    pub regions: Vec<FoundRegion>,
    /// What is there and can't be armed.
    pub refused: Vec<RefusedRegion>,
    /// File offset of `__cxa_begin_catch`, if the object defines it.
    pub begin_catch: Option<u64>,
    /// File offset of `_dl_debug_state`, if the object defines it.
    pub loaded: Option<u64>,
    /// Why the object is taken to switch stacks under its threads.
    pub switches_stacks: Option<String>,
}

impl Analysis {
    /// Whether a region's spans tell how long their request has waited.
    pub fn counts_from_arrival(&self) -> bool {
        let mut folds = self
            .regions
            .iter()
            .filter_map(|region| region.meaning.fold.as_ref());
        folds.any(|fold| {
            let opening = fold.opening.as_ref();
            opening.is_some_and(|opening| opening.first_result.is_some())
        })
    }
}

impl Catalogue {
    /// Opens an object and looks for everything in the catalogue. `name` is its path as the target
    /// names it: the file is opened elsewhere (`/proc/PID/map_files`).
    pub fn analyse(&self, file: &Path, name: &Path) -> Result<Analysis, OpenError> {
        let image = Image::open(file)?;
        Ok(self.analyse_image(&image, name)?)
    }

    /// The same for a file that is open.
    pub fn analyse_image(&self, image: &Image, name: &Path) -> io::Result<Analysis> {
        let file_name = name
            .file_name()
            .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let dynamic = SymbolTable::dynamic(image)?;
        let full = SymbolTable::full(image)?;
        let table = if full.is_empty() { &dynamic } else { &full };
        let mut found = scan::scan(table, &self.matcher, &self.rules);
        found
            .hits
            .retain(|hit| self.looks_into(&self.rules[hit.rule], &file_name));
        let named = |name| {
            let address = found.named.get(name)?;
            image.code_offset(*address)
        };
        let mut analysis = Analysis {
            build_id: image.build_id(),
            symbols: table.len(),
            stripped: full.is_empty(),
            begin_catch: named(BEGIN_CATCH),
            loaded: named(LOADED),
            switches_stacks: stacks::switcher(&file_name, &dynamic, &full),
            ..Analysis::default()
        };
        self.add_anchored(image, &file_name, &mut found.hits, &mut analysis);
        if !found.hits.is_empty() {
            let versions = self.versions(image, analysis.build_id.as_ref(), &found);
            let object = Object {
                catalogue: self,
                file_name,
                image,
                dynamic: &dynamic,
                versions: &versions,
                named: &found.named,
            };
            object.arm(&found.hits, &mut analysis);
            analysis.libraries = object.libraries(&found.hits);
        }
        Ok(analysis)
    }

    /// Adds the functions that no symbol names; anchors that don't check out are refused.
    fn add_anchored(
        &self,
        image: &Image,
        file_name: &str,
        hits: &mut Vec<Hit>,
        analysis: &mut Analysis,
    ) {
        let mut links = None;
        for (index, rule) in self.rules.iter().enumerate() {
            let Some(anchor) = &rule.anchor else { continue };
            if !self.looks_into(rule, file_name) {
                continue;
            }
            let links = links.get_or_insert_with(|| Links::load(image));
            match anchored::find(anchor, index, rule, image, links) {
                Found::Nothing => {}
                Found::Hits(found) => hits.extend(found),
                Found::Broken(reason) => analysis.refused.push(RefusedRegion {
                    name: rule.name.clone(),
                    symbol: anchor.describe(),
                    function: anchor.function().to_owned(),
                    address: 0,
                    reason: reason.into(),
                }),
            }
        }
    }

    fn looks_into(&self, rule: &Rule, file_name: &str) -> bool {
        let globs = &self.libraries[rule.library].objects;
        globs.is_empty() || globs.iter().any(|glob| glob.matches(file_name))
    }

    /// By library; those without a hit are left out of the work.
    fn versions(
        &self,
        image: &Image,
        build_id: Option<&BuildId>,
        found: &Scan,
    ) -> Vec<Option<Version>> {
        let has_hit =
            |index: usize| (found.hits.iter()).any(|hit| self.rules[hit.rule].library == index);
        (self.libraries.iter().enumerate())
            .map(|(index, library)| {
                let address_of = |name: &str| found.named.get(name).copied();
                has_hit(index)
                    .then(|| library.version.find(image, build_id, address_of))
                    .flatten()
            })
            .collect()
    }
}

/// An object with hits.
struct Object<'a> {
    catalogue: &'a Catalogue,
    file_name: String,
    image: &'a Image,
    dynamic: &'a SymbolTable,
    versions: &'a [Option<Version>],
    named: &'a HashMap<String, u64>,
}

impl Object<'_> {
    fn arm(&self, hits: &[Hit], analysis: &mut Analysis) {
        let unwind = Unwind::load(self.image);
        let links = Links::load(self.image);
        let searched = Searched {
            image: self.image,
            unwind: unwind.as_ref(),
            dynamic: self.dynamic,
            links: &links,
        };
        for hit in hits {
            let reads = self.reads(hit, analysis.build_id.as_ref());
            let armed = &analysis.regions;
            let placed = self.place(&searched, hit, &reads, armed);
            match placed.and_then(|placed| placed.alone_among(armed)) {
                Ok(placed) => analysis.regions.push(self.region(hit, reads, placed)),
                Err(reason) => analysis.refused.push(RefusedRegion {
                    name: hit.name.clone(),
                    symbol: hit.symbol.clone(),
                    function: hit.function.clone(),
                    address: hit.address,
                    reason,
                }),
            }
        }
    }

    fn place(
        &self,
        searched: &Searched<'_>,
        hit: &Hit,
        reads: &Reads,
        armed: &[FoundRegion],
    ) -> Result<Placed, RefusedBecause> {
        if hit.indirect {
            return Err(Refusal::Indirect.into());
        }
        let rule = &self.catalogue.rules[hit.rule];
        let function = Function {
            entry: hit.address,
            size: hit.size,
            fragments: hit.fragments.clone(),
            reads_result: reads.of_result(),
            ends_before: self.ends_before(rule),
        };
        if let Some(symbol) = &rule.at_call {
            return self.moment(searched, &function, symbol);
        }
        let mut followed = armed.iter().filter(|other| !other.is_moment());
        if let Some(other) = followed.find(|other| other.address == hit.address) {
            return Err(RefusedBecause::SameFunction(other.name.clone()));
        }
        let exits = match rule.capture.role {
            RegionRole::Note if rule.capture.notes_result => own_exits(searched, &function)?,
            RegionRole::Note | RegionRole::Tally => exits::entry_only(searched, &function)?,
            _ => exits::find(searched, &function)?,
        };
        Ok(exits.into())
    }

    fn ends_before(&self, rule: &Rule) -> LastCalls {
        let symbols = rule.ends_before.iter();
        LastCalls {
            addresses: symbols
                .clone()
                .filter_map(|symbol| self.named.get(symbol).copied())
                .collect(),
            names: symbols.cloned().collect(),
        }
    }

    fn region(&self, hit: &Hit, reads: Reads, placed: Placed) -> FoundRegion {
        let rule = &self.catalogue.rules[hit.rule];
        let Placed { exits, caller } = placed;
        let mut region = FoundRegion {
            name: hit.name.clone(),
            symbol: hit.symbol.clone(),
            function: hit.function.clone(),
            object: self.file_name.clone(),
            address: hit.address,
            entry: exits.entry_offset,
            exits: Vec::new(),
            stepped_exits: Vec::new(),
            kept: Vec::new(),
            reads: reads.done,
            unread: reads.unknown,
            capture: rule.capture.clone(),
            meaning: rule.meaning.clone(),
            caller,
            code_around: self.image.code_around(hit.address).unwrap_or_default(),
        };
        region.exit_by(exits);
        region
    }

    fn libraries(&self, hits: &[Hit]) -> Vec<(String, Option<Version>)> {
        let mut indices: Vec<usize> = hits
            .iter()
            .map(|hit| self.catalogue.rules[hit.rule].library)
            .collect();
        indices.sort_unstable();
        indices.dedup();
        indices
            .into_iter()
            .map(|index| {
                let library = &self.catalogue.libraries[index];
                (library.name.clone(), self.versions[index].clone())
            })
            .collect()
    }
}

/// The exits of a function whose result is noted. There is no entry by which an exit is known to be its:
/// none may be shared with another function.
fn own_exits(searched: &Searched<'_>, function: &Function) -> Result<Exits, RefusedBecause> {
    let exits = exits::find(searched, function)?;
    let is_own =
        exits.tail_callees.is_empty() && exits.points.iter().all(|exit| exit.condition == 0);
    if is_own {
        Ok(exits)
    } else {
        Err(RefusedBecause::SharedExit)
    }
}
