//! Where a Python file is.

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
