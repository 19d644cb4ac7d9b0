//! Virtual functions of the classes below a base class, where a stripped object names none.
//!
//! Layouts are those of the Itanium C++ ABI (2.5.2 and 2.9.5). A `type_info` is its own vtable pointer,
//! the pointer to its name, and the base's `type_info`: at once (single inheritance), or behind flags and
//! count. A vtable is the offset to the top, the pointer to the `type_info`, and the functions.

use std::collections::{HashMap, HashSet, VecDeque};

use super::{image::Image, links::Links};

const WORD: u64 = 8;

/// A virtual function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VirtualFunction {
    /// Mangled name of its class, as `type_info` has it: `N11onnxruntime6MatMulIfEE`.
    pub class: String,
    /// Its first address.
    pub address: u64,
}

/// Why none was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoClasses {
    /// The base's name is not there: the object holds another library.
    #[error("the base class is not there")]
    NoBase,
    /// Its name is there, and no class derives from it.
    #[error("no class derives from the base class")]
    NoneDerived,
}

/// What pointers in the object's data will hold, both ways.
struct Pointers {
    at: HashMap<u64, u64>,
    to: HashMap<u64, Vec<u64>>,
}

/// The function in `slot` of every class below `base` (its mangled name), each function once, under
/// the class nearest to the base; in order of address.
pub fn overrides(
    image: &Image,
    links: &Links,
    base: &str,
    slot: u64,
) -> Result<Vec<VirtualFunction>, NoClasses> {
    let (start, data) = image.section(".rodata").ok_or(NoClasses::NoBase)?;
    let needle = [b"\0", base.as_bytes(), b"\0"].concat();
    let name = memchr::memmem::find(&data, &needle).ok_or(NoClasses::NoBase)?;
    let pointers = Pointers::of(links);
    let names = Names { start, data: &data };
    let mut pending: VecDeque<u64> = pointers.infos_named(start + name as u64 + 1).collect();
    let mut seen: HashSet<u64> = pending.iter().copied().collect();
    let mut found = HashMap::new();
    while let Some(info) = pending.pop_front() {
        if let Some(class) = names.of(&pointers, info) {
            for address in pointers.functions_of(info, slot) {
                if image.code_offset(address).is_some() {
                    found.entry(address).or_insert_with(|| class.clone());
                }
            }
        }
        for derived in pointers.derived_from(info) {
            if seen.insert(derived) {
                pending.push_back(derived);
            }
        }
    }
    let mut functions: Vec<VirtualFunction> = found
        .into_iter()
        .map(|(address, class)| VirtualFunction { class, address })
        .collect();
    functions.sort_by_key(|function| function.address);
    if functions.is_empty() {
        return Err(NoClasses::NoneDerived);
    }
    Ok(functions)
}

/// The name that a class has in its `type_info`, from its C++ name without template arguments.
pub fn type_name(class: &str) -> String {
    let parts: Vec<String> = class
        .split("::")
        .map(|part| format!("{}{part}", part.len()))
        .collect();
    match &parts[..] {
        [only] => only.clone(),
        parts => format!("N{}E", parts.concat()),
    }
}

struct Names<'a> {
    start: u64,
    data: &'a [u8],
}

impl Names<'_> {
    fn of(&self, pointers: &Pointers, info: u64) -> Option<String> {
        let name = pointers.at.get(&(info + WORD))?;
        let tail = self.data.get(name.checked_sub(self.start)? as usize..)?;
        let end = memchr::memchr(0, tail)?;
        let name = std::str::from_utf8(&tail[..end]).ok()?;
        // Names of types without linkage begin with a star.
        let name = name.trim_start_matches('*');
        let is_mangled = name.starts_with(|c: char| c == 'N' || c.is_ascii_digit());
        is_mangled.then(|| name.to_owned())
    }
}

impl Pointers {
    fn of(links: &Links) -> Self {
        let mut pointers = Self {
            at: HashMap::new(),
            to: HashMap::new(),
        };
        for (place, target) in links.local_pointers() {
            pointers.at.insert(place, target);
            pointers.to.entry(target).or_default().push(place);
        }
        pointers
    }

    fn places_of(&self, target: u64) -> impl Iterator<Item = u64> {
        self.to.get(&target).into_iter().flatten().copied()
    }

    fn infos_named(&self, name: u64) -> impl Iterator<Item = u64> {
        self.places_of(name)
            .filter_map(|place| place.checked_sub(WORD))
    }

    /// A `type_info` that points to `info` as its base has a name before that pointer; a vtable that
    /// points to it has functions behind.
    fn derived_from(&self, info: u64) -> impl Iterator<Item = u64> {
        self.places_of(info).flat_map(move |place| {
            [2, 3]
                .into_iter()
                .filter_map(move |words| place.checked_sub(words * WORD))
                .filter(move |derived| {
                    // The word between flags and count and the first base is no pointer.
                    let single = *derived + 2 * WORD == place;
                    self.at.contains_key(&(derived + WORD))
                        && (single || !self.at.contains_key(&(derived + 2 * WORD)))
                })
        })
    }

    /// The primary vtables' functions in a slot.
    fn functions_of(&self, info: u64, slot: u64) -> impl Iterator<Item = u64> {
        self.places_of(info).filter_map(move |place| {
            let is_vtable = !self.at.contains_key(&place.checked_sub(WORD)?);
            let function = self.at.get(&(place + WORD + slot * WORD))?;
            is_vtable.then_some(*function)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_mangled_as_the_abi_has_them() {
        assert_eq!(
            type_name("onnxruntime::OpKernel"),
            "N11onnxruntime8OpKernelE"
        );
        assert_eq!(type_name("Base"), "4Base");
    }
}
