//! What a reader remembers from object to object.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    rc::Rc,
};

use super::TypeInfo;

/// How long what was read is believed, in nanoseconds.
const BELIEVED_NS: u64 = 1_000_000_000;
/// Types, and texts, that are kept.
const MOST: usize = 512;

/// Types, and the texts of the keys that their instances share: they stay where they are as long as the
/// class does. Who relies on it checks what it reads by other means, as a class may go, and another come
/// in its place, all the same.
#[derive(Debug, Default)]
pub struct Remembered {
    types: RefCell<HashMap<u64, TypeInfo>>,
    texts: RefCell<HashMap<u64, String>>,
    /// By the address of the class.
    shared_keys: RefCell<HashMap<u64, Rc<[u64]>>>,
    since_ns: Cell<u64>,
}

impl Remembered {
    /// Forgets what is too old at `now_ns`.
    pub fn age(&self, now_ns: u64) {
        if now_ns.saturating_sub(self.since_ns.get()) >= BELIEVED_NS {
            self.since_ns.set(now_ns);
            self.types.borrow_mut().clear();
            self.texts.borrow_mut().clear();
            self.shared_keys.borrow_mut().clear();
        }
    }

    pub(super) fn type_at(&self, address: u64) -> Option<TypeInfo> {
        self.types.borrow().get(&address).cloned()
    }

    pub(super) fn learn_type(&self, class: &TypeInfo) {
        let mut types = self.types.borrow_mut();
        if types.len() < MOST {
            types.insert(class.address, class.clone());
        }
    }

    /// Whether the text at an address is this one; `None`: not known.
    pub(super) fn is_text(&self, address: u64, text: &str) -> Option<bool> {
        let texts = self.texts.borrow();
        texts.get(&address).map(|known| known == text)
    }

    pub(super) fn learn_text(&self, address: u64, text: String) {
        let mut texts = self.texts.borrow_mut();
        if texts.len() < MOST {
            texts.insert(address, text);
        }
    }

    pub(super) fn shared_keys(&self, class: u64) -> Option<Rc<[u64]>> {
        self.shared_keys.borrow().get(&class).cloned()
    }

    pub(super) fn learn_shared_keys(&self, class: u64, keys: &Rc<[u64]>) {
        let mut known = self.shared_keys.borrow_mut();
        if known.len() < MOST {
            known.insert(class, Rc::clone(keys));
        }
    }
}
