//! Where native functions begin, so that they can be probed.

use std::path::PathBuf;

use hotspan_synth::ids::FunctionId;
use rustc_hash::FxHashMap;

use super::native::Frame;
use crate::{object::FileKey, symbolize::NativeName, unwind::Place};

/// Objects and addresses that are kept for a function: one name stands for few.
const MAX_PLACES: usize = 8;

/// A function in an object that a target maps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NativePlace {
    /// Short name, for spans.
    pub name: String,
    /// Qualified name.
    pub qualified: String,
    /// First address, as the object has it.
    pub address: u64,
    /// The object's path as the target names it.
    pub path: PathBuf,
    /// Opens it.
    pub file: PathBuf,
    /// Which file.
    pub key: FileKey,
}

/// Why a function's place is not given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum NoPlace {
    /// It was only seen inlined, or in a part that was split off, or its object is gone.
    #[error("not known where it begins")]
    Unknown,
    /// Other instances of a template or other builds bear its name.
    #[error("several functions bear its name")]
    Several,
    /// It is the interpreter's own.
    #[error("part of the interpreter")]
    Interpreter,
}

impl NoPlace {
    /// As counted.
    pub fn counter(self) -> &'static str {
        match self {
            Self::Unknown => "promotion.not_probed.unknown_start",
            Self::Several => "promotion.not_probed.several_of_its_name",
            Self::Interpreter => "promotion.not_probed.interpreter",
        }
    }
}

/// A function's names and where it was seen to begin.
struct Known {
    name: String,
    qualified: String,
    starts: Vec<(FileKey, u64)>,
}

/// The beginnings of functions, by number. No more than there are functions.
#[derive(Default)]
pub(super) struct FunctionPlaces {
    by_id: FxHashMap<FunctionId, Known>,
}

impl FunctionPlaces {
    /// Takes in what the frame of a function says of its beginning.
    pub fn learn(&mut self, id: FunctionId, frame: &Frame, place: &Place, name: &NativeName) {
        let Some(start) = name.start else { return };
        // The linker's view decides: a fragment, or a part that has a frame of its own, begins elsewhere.
        if frame
            .covering
            .is_some_and(|covering| covering.start != start)
            || [".cold", ".part."]
                .iter()
                .any(|part| name.symbol.contains(part))
        {
            return;
        }
        let known = self.by_id.entry(id).or_insert_with(|| Known {
            name: name.short.clone(),
            qualified: name.qualified.clone(),
            starts: Vec::new(),
        });
        let start = (place.object.key(), start);
        if !known.starts.contains(&start) && known.starts.len() < MAX_PLACES {
            known.starts.push(start);
        }
    }

    /// The one place of a function among the files that a target maps: key, path and opening path.
    pub fn find(
        &self,
        id: FunctionId,
        mapped: impl Iterator<Item = (FileKey, PathBuf, PathBuf)>,
    ) -> Result<NativePlace, NoPlace> {
        let known = self.by_id.get(&id).ok_or(NoPlace::Unknown)?;
        let mut found: Option<NativePlace> = None;
        for (key, path, file) in mapped {
            for (_, address) in known.starts.iter().filter(|(of, _)| *of == key) {
                let is_other = |found: &NativePlace| (found.key, found.address) != (key, *address);
                if found.as_ref().is_some_and(is_other) {
                    return Err(NoPlace::Several);
                }
                found = Some(NativePlace {
                    name: known.name.clone(),
                    qualified: known.qualified.clone(),
                    address: *address,
                    path: path.clone(),
                    file: file.clone(),
                    key,
                });
            }
        }
        found.ok_or(NoPlace::Unknown)
    }
}
