//! Files to rules: each checked, merged with the others, slots and groups numbered.

mod anchor;
mod attributes;
mod devices;
mod error;
mod folds;
mod matcher;
mod numbering;
mod reads;
mod rule;
mod schema;
mod shipped;
mod slots;
mod version;

use std::path::{Component, Path, PathBuf};

use glob::Pattern;
use toml::Spanned;

pub(in crate::catalogue) use self::{
    anchor::{Anchor, CLASS},
    matcher::{BEGIN_CATCH, LOADED, Matcher, Wanted},
    rule::Rule,
};
pub use self::{error::CatalogueError, rule::DEFAULT_MAX_RATE};
use self::{
    numbering::Numbering,
    schema::{File, Region},
    version::VersionRule,
};

/// A file's name and text.
#[derive(Clone, Debug)]
pub struct Source {
    /// As errors name it.
    pub name: String,
    /// The text.
    pub text: String,
    /// Whether it is built into the binary.
    pub is_shipped: bool,
}

/// All rules, ready to be applied to objects.
#[derive(Debug)]
pub struct Catalogue {
    pub(super) libraries: Vec<Library>,
    pub(super) rules: Vec<Rule>,
    pub(super) matcher: Matcher,
}

/// What a file says of its library as a whole.
#[derive(Debug)]
pub(super) struct Library {
    pub name: String,
    /// Globs over file names; empty: all.
    pub objects: Vec<Pattern>,
    /// Globs over paths below a folder of packages.
    pub installed: Vec<String>,
    pub version: VersionRule,
}

/// A region between parsing and checking.
struct Pending {
    library: usize,
    region: Region,
}

impl Catalogue {
    /// The shipped files, then these, in order.
    pub fn load(files: &[PathBuf]) -> Result<Self, CatalogueError> {
        let mut sources = shipped::sources();
        for path in files {
            let name = path.display().to_string();
            let text = std::fs::read_to_string(path).map_err(|error| CatalogueError {
                file: name.clone(),
                line: None,
                reason: error.to_string(),
            })?;
            sources.push(Source {
                name,
                text,
                is_shipped: false,
            });
        }
        Self::from_sources(&sources)
    }

    /// Exactly these files, in order.
    pub fn from_sources(sources: &[Source]) -> Result<Self, CatalogueError> {
        let mut libraries = Vec::new();
        let mut pending: Vec<Pending> = Vec::new();
        for (index, source) in sources.iter().enumerate() {
            let mut file: File = toml::from_str(&source.text)
                .map_err(|error| CatalogueError::from_toml(source, &error))?;
            let regions = std::mem::take(&mut file.regions);
            libraries.push(library(source, &file)?);
            pending.retain(|old| {
                let replaced = |new: &Region| new.name.get_ref() == old.region.name.get_ref();
                !regions.iter().any(replaced)
            });
            pending.extend(regions.into_iter().map(|region| Pending {
                library: index,
                region,
            }));
        }
        pending.retain(|pending| pending.region.enabled);
        check_regions(sources, libraries, &pending)
    }

    /// Names of the regions, each once, in order.
    pub fn region_names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for rule in &self.rules {
            if !names.contains(&rule.name.as_str()) {
                names.push(&rule.name);
            }
        }
        names
    }
}

fn check_regions(
    sources: &[Source],
    libraries: Vec<Library>,
    pending: &[Pending],
) -> Result<Catalogue, CatalogueError> {
    let mut numbering = Numbering::default();
    let mut reads = Vec::with_capacity(pending.len());
    for Pending { library, region } in pending {
        reads.push(numbering.reads(&sources[*library], region)?);
    }
    let mut matcher = Matcher::builder();
    let mut rules = Vec::with_capacity(pending.len());
    for (index, (Pending { library, region }, reads)) in pending.iter().zip(reads).enumerate() {
        let source = &sources[*library];
        let place = (*library, !libraries[*library].objects.is_empty());
        rules.push(rule::check(source, place, region, reads, &mut numbering)?);
        matcher.add(index, source, region)?;
    }
    for getter in rules
        .iter()
        .flat_map(|rule| &rule.reads)
        .filter_map(|read| read.offset_of.as_ref())
    {
        matcher.add_named(getter);
    }
    for symbol in (rules.iter()).flat_map(|rule| rule.ends_before.iter().chain(&rule.at_call)) {
        matcher.add_named(symbol);
    }
    matcher.add_named(BEGIN_CATCH);
    matcher.add_named(LOADED);
    for library in &libraries {
        matcher.add_version(&library.version);
    }
    Ok(Catalogue {
        matcher: matcher.build()?,
        libraries,
        rules,
    })
}

fn library(source: &Source, file: &File) -> Result<Library, CatalogueError> {
    let pattern = |key: &str, glob: &Spanned<String>| {
        Pattern::new(glob.get_ref())
            .map_err(|error| CatalogueError::at(source, glob, format!("{key}: {error}")))
    };
    let objects = file.objects.iter().map(|glob| pattern("objects", glob));
    for glob in &file.installed {
        pattern("installed", glob)?;
        if !stays_below(Path::new(glob.get_ref())) {
            let reason = "installed: a path below a folder of packages, without `..`";
            return Err(CatalogueError::at(source, glob, reason));
        }
    }
    Ok(Library {
        name: file.library.get_ref().clone(),
        objects: objects.collect::<Result<_, _>>()?,
        installed: (file.installed.iter())
            .map(|glob| glob.get_ref().clone())
            .collect(),
        version: VersionRule::check(source, &file.version)?,
    })
}

fn stays_below(path: &Path) -> bool {
    path.components()
        .all(|part| matches!(part, Component::Normal(_)))
}
