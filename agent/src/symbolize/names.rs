//! From mangled symbols to names that people read.

use cpp_demangle::DemangleOptions;

/// The fully qualified function, without parameters and result: what OpenTelemetry calls
/// `code.function.name`. A symbol that is not mangled is its own name.
pub fn function_name(symbol: &str) -> String {
    // Before anything is cut off: Rust's older mangling writes `::` as `..` within a part.
    if let Ok(rust) = rustc_demangle::try_demangle(symbol) {
        // The alternate form leaves the hash out.
        return format!("{rust:#}");
    }
    let plain = without_suffix(symbol);
    cpp(plain).unwrap_or_else(|| plain.to_owned())
}

/// The name for a span: the function, with its class if it is a method. No namespaces, templates,
/// parameters; a lambda is named after the function that holds it.
pub fn short_name(symbol: &str) -> String {
    short_of(&function_name(symbol))
}

/// That of a qualified function.
pub(super) fn short_of(full: &str) -> String {
    let parts: Vec<String> = components(full)
        .into_iter()
        .filter_map(plain_part)
        .collect();
    match &parts[..] {
        [.., class, function] if class.starts_with(|c: char| c.is_ascii_uppercase()) => {
            format!("{class}::{function}")
        }
        [.., function] => function.clone(),
        [] => full.to_owned(),
    }
}

/// Compilers append `.part.0`, `.isra.0`, `.llvm.123`; linkers `@@VERSION`.
fn without_suffix(symbol: &str) -> &str {
    let end = symbol
        .find(['.', '@'])
        .filter(|end| *end > 0)
        .unwrap_or(symbol.len());
    &symbol[..end]
}

fn cpp(symbol: &str) -> Option<String> {
    if !symbol.starts_with("_Z") {
        return None;
    }
    let options = DemangleOptions::new().no_params().no_return_type();
    let name = cpp_demangle::Symbol::new(symbol)
        .ok()?
        .demangle_with_options(&options)
        .ok()?;
    Some(without_qualifier(&name).to_owned())
}

/// Without the `const` of a method; that of `operator T const` belongs to its name.
fn without_qualifier(name: &str) -> &str {
    let is_conversion = components(name)
        .last()
        .is_some_and(|part| part.starts_with("operator "));
    match name.strip_suffix(" const") {
        Some(plain) if !is_conversion => plain,
        _ => name,
    }
}

/// Splits at `::` outside of brackets.
fn components(name: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut depth = 0_usize;
    let mut start = 0;
    let bytes = name.as_bytes();
    for (index, byte) in bytes.iter().enumerate() {
        match byte {
            b'<' | b'(' | b'{' | b'[' => depth += 1,
            b'>' | b')' | b'}' | b']' => depth = depth.saturating_sub(1),
            b':' if depth == 0 && bytes.get(index + 1) == Some(&b':') && index >= start => {
                parts.push(&name[start..index]);
                start = index + 2;
            }
            _ => {}
        }
    }
    parts.push(&name[start.min(name.len())..]);
    parts
}

/// A component without its templates and parameters; `None` if it names nothing by itself.
fn plain_part(part: &str) -> Option<String> {
    // `<Type as Trait>`, as Rust writes implementations: the type is what people look for.
    if let Some(inner) = part.strip_prefix('<') {
        let inner = inner.strip_suffix('>').unwrap_or(inner);
        let implementor = inner.split(" as ").next().unwrap_or(inner);
        return components(implementor).pop().and_then(plain_part);
    }
    let end = part.find(['<', '(', '{', '[']).unwrap_or(part.len());
    let name = part[..end].trim();
    // `operator()` is a lambda's or functor's call; other operators keep their sign.
    if name == "operator" {
        return (part != "operator()" && !part.starts_with("operator()<")).then(|| part.to_owned());
    }
    (!name.is_empty()).then(|| name.to_owned())
}
