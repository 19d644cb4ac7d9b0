//! A function that no catalogue names and that sampling found hot: where to probe it.

use std::{io, path::Path};

use hotspan_synth::region::Meaning;

use super::found::FoundRegion;
use crate::{
    catalogue::capture::Capture,
    object::{
        Image, Links, OpenError, SymbolTable, Unwind,
        exits::{self, Function, Refusal, Searched, shadow_stacks},
    },
};

/// Calls shorter than this are not sent: sampling makes no span of less either, and a loop of brief
/// calls stays one span.
const MIN_NS: u64 = 10_000_000;
/// Entries a second and thread beyond which it is given up again: most of more are shorter than that.
const LIMIT_PER_S: u32 = 100;

/// A function of an object.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HotFunction {
    /// Short name, for its spans.
    pub name: String,
    /// Qualified name, for `code.function.name`.
    pub function: String,
    /// Its first address in the object.
    pub address: u64,
}

/// Why a hot function gets no probes.
#[derive(Debug, thiserror::Error)]
pub enum NotProbed {
    /// The object can't be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The object can't be read.
    #[error(transparent)]
    Read(#[from] io::Error),
    /// Its calls can't be followed to their end.
    #[error(transparent)]
    Exits(#[from] Refusal),
}

impl NotProbed {
    /// As counted.
    pub fn counter(&self) -> &'static str {
        match self {
            Self::Open(_) | Self::Read(_) => "promotion.not_probed.unreadable",
            Self::Exits(refusal) => match refusal {
                Refusal::TailPointer(_)
                | Refusal::TailImport { .. }
                | Refusal::TailTooDeep { .. } => "promotion.not_probed.tail_jump",
                Refusal::JumpsToItself(_) => "promotion.not_probed.loop_to_its_entry",
                Refusal::NoBounds(_) | Refusal::UnknownTarget { .. } => {
                    "promotion.not_probed.no_bounds"
                }
                _ => "promotion.not_probed.no_safe_exits",
            },
        }
    }
}

impl HotFunction {
    /// A region for it. `file` opens the object that the target maps, `name` is its path there.
    ///
    /// # Errors
    /// The object cannot be read, or the function has no safe exits.
    pub fn region(&self, file: &Path, name: &Path) -> Result<FoundRegion, NotProbed> {
        let image = Image::open(file)?;
        let dynamic = SymbolTable::dynamic(&image)?;
        let full = SymbolTable::full(&image)?;
        let table = if full.is_empty() { &dynamic } else { &full };
        let (unwind, links) = (Unwind::load(&image), Links::load(&image));
        let searched = Searched {
            image: &image,
            unwind: unwind.as_ref(),
            dynamic: &dynamic,
            links: &links,
        };
        let exits = exits::find(&searched, &self.bounds(table))?;
        let object = name.file_name().unwrap_or_default().to_string_lossy();
        let entry = exits.entry_offset;
        let kept = exits.kept.clone();
        let (exits, stepped_exits) = exits.cheapest(shadow_stacks::are_possible());
        Ok(FoundRegion {
            name: self.name.clone(),
            symbol: self.function.clone(),
            function: self.function.clone(),
            object: object.into_owned(),
            address: self.address,
            entry,
            exits,
            stepped_exits,
            kept,
            reads: Vec::new(),
            unread: Vec::new(),
            capture: Capture::span(MIN_NS, LIMIT_PER_S),
            meaning: Meaning::default(),
            caller: [0; 2],
            code_around: (0, 0),
        })
    }

    /// By the symbol at its address; without one, the search goes by the unwind information.
    fn bounds(&self, table: &SymbolTable) -> Function {
        let symbol = table
            .functions()
            .find(|symbol| symbol.address == self.address);
        let cold = symbol.map(|symbol| [symbol.name, b".cold"].concat());
        let fragments = cold.map_or_else(Vec::new, |cold| {
            let fragments = table.functions().filter(|part| part.name == cold);
            fragments.map(|part| part.range()).collect()
        });
        Function {
            entry: self.address,
            size: symbol.map_or(0, |symbol| symbol.size),
            fragments,
            ..Function::default()
        }
    }
}
