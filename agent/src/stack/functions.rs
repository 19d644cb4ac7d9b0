//! Functions and their numbers.

use hotspan_synth::{
    event::{Function, Language},
    ids::FunctionId,
};
use rustc_hash::FxHashMap;

/// Functions of one run. A large service shows some ten thousand.
const MAX_FUNCTIONS: usize = 65_536;

/// What a function is told by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Described {
    /// What it is written in.
    pub language: Language,
    /// Short name, for spans.
    pub name: String,
    /// Qualified name.
    pub qualified: String,
    /// Source file; empty: not known.
    pub file: String,
    /// File name of the object, or of the module's file.
    pub object: String,
}

/// Numbers for functions, given once each and in order, so that a run gives the same ones again.
pub struct FunctionTable {
    ids: FxHashMap<Described, FunctionId>,
    announced: Vec<Function>,
    limit: usize,
    unnumbered: u64,
}

impl Default for FunctionTable {
    fn default() -> Self {
        Self::with_limit(MAX_FUNCTIONS)
    }
}

impl FunctionTable {
    /// A table of at most `limit` functions.
    pub fn with_limit(limit: usize) -> Self {
        Self {
            ids: FxHashMap::default(),
            announced: Vec::new(),
            limit,
            unnumbered: 0,
        }
    }

    /// The function's number; `None` once there are too many functions.
    pub fn number(&mut self, function: Described) -> Option<FunctionId> {
        if let Some(id) = self.ids.get(&function) {
            return Some(*id);
        }
        if self.ids.len() == self.limit {
            self.unnumbered += 1;
            return None;
        }
        let id = FunctionId(self.ids.len() as u32 + 1);
        self.announced.push(Function {
            id,
            language: function.language,
            name: function.name.clone(),
            qualified: function.qualified.clone(),
            file: function.file.clone(),
            object: function.object.clone(),
        });
        self.ids.insert(function, id);
        Some(id)
    }

    /// Takes out the functions that are new since the last time.
    pub fn announced(&mut self) -> std::vec::Drain<'_, Function> {
        self.announced.drain(..)
    }

    /// Frames left out because there were too many functions.
    pub fn unnumbered(&self) -> u64 {
        self.unnumbered
    }
}
