//! Whether an object switches stacks under its threads.

use crate::object::SymbolTable;

/// Functions that switch stacks, when one object takes them from another.
const SWITCHES: &[&[u8]] = &[
    b"swapcontext",
    b"makecontext",
    b"jump_fcontext",
    b"make_fcontext",
    b"boost_context_jump",
];

/// Objects that import them and don't switch under crossings: OpenSSL's asynchronous jobs run only
/// with engines that ask for them, and every Python maps libcrypto.
const HARMLESS: &[&str] = &["libcrypto"];

/// Why the object is taken to switch stacks; `None` if it does not.
///
/// greenlet does it in inline assembly, so it is known by the name of its module; Boost.Context is
/// most often linked in, so that its functions count where they are defined, too.
pub(super) fn switcher(
    file_name: &str,
    dynamic: &SymbolTable,
    full: &SymbolTable,
) -> Option<String> {
    if file_name.starts_with("_greenlet.") {
        return Some("greenlet".to_owned());
    }
    if HARMLESS.iter().any(|name| file_name.starts_with(name)) {
        return None;
    }
    let imported = dynamic
        .iter()
        .find(|symbol| !symbol.defined && SWITCHES.contains(&symbol.name));
    let linked_in = || {
        full.functions()
            .find(|symbol| symbol.name.ends_with(b"_fcontext") && SWITCHES.contains(&symbol.name))
    };
    imported
        .or_else(linked_in)
        .map(|symbol| String::from_utf8_lossy(symbol.name).into_owned())
}
