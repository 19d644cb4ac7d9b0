//! Where a Python file is.

use crate::event::Function;

/// The path below the folder of installed packages.
pub(super) fn inside_packages(file: &str) -> Option<&str> {
    let places = ["/site-packages/", "/dist-packages/"];
    let mut inside = places.iter().filter_map(|place| file.rsplit_once(place));
    inside.next().map(|(_, inside)| inside)
}

/// The path below `lib/pythonX.Y/`.
pub(super) fn inside_standard(file: &str) -> Option<&str> {
    let (_, inside) = file.rsplit_once("/lib/python3")?;
    let (_, module) = inside.split_once('/')?;
    Some(module)
}

pub(super) fn first_part(path: &str) -> &str {
    path.split('/').next().unwrap_or(path)
}

/// The module whose body a function is, by its file; not that of a program.
pub(super) fn module(function: &Function) -> Option<String> {
    let inside = inside_packages(&function.file).or_else(|| inside_standard(&function.file))?;
    let path = inside.strip_suffix(".py")?;
    let path = path.strip_suffix("/__init__").unwrap_or(path);
    let is_body = function.name == "<module>" && !path.ends_with("__main__");
    is_body.then(|| path.replace('/', "."))
}

/// Whether a function is one of those that `import` is made of: CPython has them frozen into it.
pub(super) fn imports(file: &str) -> bool {
    file.starts_with("<frozen importlib.") || file == "<frozen zipimport>"
}
