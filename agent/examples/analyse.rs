//! What the catalogue finds in object files, and how long the search takes:
//! `cargo run --release --example analyse -- libortools.so.9 ...`. Arguments that end in `.toml`
//! are catalogue files.

use std::{path::PathBuf, time::Instant};

use hotspan::catalogue::{Catalogue, Report};

fn main() -> anyhow::Result<()> {
    let (catalogues, objects): (Vec<PathBuf>, Vec<PathBuf>) = std::env::args_os()
        .skip(1)
        .map(PathBuf::from)
        .partition(|path| {
            path.extension()
                .is_some_and(|extension| extension == "toml")
        });
    let started = Instant::now();
    let catalogue = Catalogue::load(&catalogues)?;
    println!("catalogue: {:.1} ms", started.elapsed().as_secs_f64() * 1e3);
    let mut report = Report::default();
    for object in &objects {
        let started = Instant::now();
        match catalogue.analyse(object, object) {
            Ok(analysis) => report.add(&object.display().to_string(), &analysis),
            Err(error) => report.add_unreadable(&object.display().to_string(), error),
        }
        let elapsed = started.elapsed().as_secs_f64() * 1e3;
        println!("{}: {elapsed:.1} ms", object.display());
    }
    println!("{report}");
    Ok(())
}
