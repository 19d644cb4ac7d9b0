//! The objects that targets map, read once for all of them, bounded in number and bytes.

use std::{path::Path, rc::Rc};

use super::object::CodeObject;
use crate::object::{FileKey, Kept};

/// Objects by the state of their file.
pub type ObjectStore = Kept<Rc<CodeObject>>;

impl ObjectStore {
    /// The object in a file, opened by a path that leads to the mapped inode; `None` if it cannot be read, or
    /// is no ELF file.
    pub fn get(&mut self, key: FileKey, path: &Path, name: &Path) -> Option<Rc<CodeObject>> {
        let open = || {
            // It may have been replaced since its key was taken.
            let opened = CodeObject::open(path, name).ok();
            opened.filter(|object| object.key() == key).map(Rc::new)
        };
        self.get_or_make(key, open).cloned()
    }
}
