//! What `hotspan regions` shows: which regions are where, with how many exits, and why some can't
//! be armed.

use std::fmt;

use serde::Serialize;

use super::{Analysis, FoundRegion, RefusedRegion};
use crate::{
    catalogue::RegionRole,
    object::exits::{Execution, ExitPoint},
};

/// Over all objects of a target. Displays as a table; serializes for machines.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// Objects with regions, in the order in which they were added.
    pub objects: Vec<ObjectReport>,
    /// Objects looked at that hold no region.
    pub without_regions: usize,
    /// Symbols looked at, over all objects.
    pub symbols: usize,
    /// Objects that could not be looked at, with the reason.
    pub unreadable: Vec<(String, String)>,
    /// Objects that switch stacks under threads, with what shows it.
    pub stack_switchers: Vec<(String, String)>,
}

/// One object.
#[derive(Clone, Debug, Serialize)]
pub struct ObjectReport {
    /// As the target names it.
    pub path: String,
    /// Whether the target maps it; if not, it is installed where the target looks for packages.
    pub mapped: bool,
    /// In hexadecimal.
    pub build_id: Option<String>,
    /// Libraries of the catalogue that are in it, with their versions.
    pub libraries: Vec<(String, Option<String>)>,
    /// Its regions.
    pub regions: Vec<RegionLine>,
}

/// One region.
#[derive(Clone, Debug, Serialize)]
pub struct RegionLine {
    /// `library.operation`.
    pub name: String,
    /// What its entry means; `None` if it was refused.
    pub role: Option<RegionRole>,
    /// Mangled.
    pub symbol: String,
    /// Demangled.
    pub function: String,
    /// Address in the object.
    pub address: u64,
    /// Exit points.
    pub exits: usize,
    /// Those of them that the kernel single-steps, which costs the target some microseconds each time.
    pub stepped_exits: usize,
    /// Why they are.
    pub stepped_because: Vec<String>,
    /// Whether it can be armed.
    pub state: State,
    /// Values that can't be read in this build.
    pub left_out: Vec<String>,
}

/// Whether a region can be armed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "state", content = "reason")]
pub enum State {
    /// It can be, or is.
    Armed,
    /// Not, and why.
    Refused(String),
}

impl Report {
    /// Adds what was found in an object.
    pub fn add(&mut self, path: &str, analysis: &Analysis) {
        self.symbols += analysis.symbols;
        if let Some(evidence) = &analysis.switches_stacks {
            self.stack_switchers
                .push((path.to_owned(), evidence.clone()));
        }
        if analysis.regions.is_empty() && analysis.refused.is_empty() {
            self.without_regions += 1;
            return;
        }
        self.add_object(path, analysis, true);
    }

    /// Adds what was found in a library that the target has not mapped.
    pub fn add_installed(&mut self, path: &str, analysis: &Analysis) {
        if !analysis.regions.is_empty() {
            self.symbols += analysis.symbols;
            self.add_object(path, analysis, false);
        }
    }

    fn add_object(&mut self, path: &str, analysis: &Analysis, mapped: bool) {
        let armed = analysis.regions.iter().map(armed_line);
        let refused = analysis.refused.iter().map(refused_line);
        self.objects.push(ObjectReport {
            path: path.to_owned(),
            mapped,
            build_id: analysis.build_id.as_ref().map(ToString::to_string),
            libraries: analysis
                .libraries
                .iter()
                .map(|(name, version)| (name.clone(), version.as_ref().map(ToString::to_string)))
                .collect(),
            regions: armed.chain(refused).collect(),
        });
    }

    /// Adds an object that could not be looked at.
    pub fn add_unreadable(&mut self, path: &str, reason: impl fmt::Display) {
        self.unreadable.push((path.to_owned(), reason.to_string()));
    }

    /// Regions that can be armed.
    pub fn armed(&self) -> usize {
        let regions = self.objects.iter().flat_map(|object| &object.regions);
        regions.filter(|line| line.state == State::Armed).count()
    }
}

fn stepped(exits: &[ExitPoint]) -> usize {
    let stepped = exits
        .iter()
        .filter(|exit| exit.execution == Execution::Stepped);
    stepped.count()
}

fn armed_line(region: &FoundRegion) -> RegionLine {
    RegionLine {
        name: region.name.clone(),
        role: Some(region.capture.role),
        symbol: region.symbol.clone(),
        function: region.function.clone(),
        address: region.address,
        exits: region.exits.len(),
        stepped_exits: stepped(&region.exits),
        stepped_because: region.kept.iter().map(ToString::to_string).collect(),
        state: State::Armed,
        left_out: region.unread.clone(),
    }
}

fn refused_line(region: &RefusedRegion) -> RegionLine {
    RegionLine {
        name: region.name.clone(),
        role: None,
        symbol: region.symbol.clone(),
        function: region.function.clone(),
        address: region.address,
        exits: 0,
        stepped_exits: 0,
        stepped_because: Vec::new(),
        state: State::Refused(region.reason.to_string()),
        left_out: Vec::new(),
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for object in &self.objects {
            writeln!(f, "{object}")?;
        }
        let looked_at = self.objects.len() + self.without_regions;
        writeln!(
            f,
            "{looked_at} objects and {} symbols looked at; {} objects hold no region of the catalogue",
            self.symbols, self.without_regions
        )?;
        for (path, evidence) in &self.stack_switchers {
            writeln!(f, "switches stacks: {path} ({evidence})")?;
        }
        for (path, reason) in &self.unreadable {
            writeln!(f, "not looked at: {path}: {reason}")?;
        }
        Ok(())
    }
}

impl fmt::Display for ObjectReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path)?;
        for (name, version) in &self.libraries {
            let version = version.as_deref().unwrap_or("of unknown version");
            write!(f, "  {name} {version}")?;
        }
        match &self.build_id {
            Some(id) => write!(f, "  build id {id}")?,
            None => write!(f, "  no build id")?,
        }
        let unmapped = "  not mapped: armed before it is";
        writeln!(f, "{}", if self.mapped { "" } else { unmapped })?;
        let name_width = self.widest(6, |line| line.name.len());
        let function_width = self.widest(8, |line| line.function.len());
        writeln!(
            f,
            "  {:name_width$}  {:function_width$}  {:>10}  {:>5}  {:>7}  SYMBOL",
            "REGION", "FUNCTION", "ADDRESS", "EXITS", "STEPPED"
        )?;
        for line in &self.regions {
            let stepped = line.stepped_exits;
            let exits = match (&line.state, line.role) {
                (State::Refused(_), _) => "none".to_owned(),
                (State::Armed, Some(RegionRole::Note)) => "note".to_owned(),
                (State::Armed, Some(RegionRole::Tally)) => "tally".to_owned(),
                (State::Armed, Some(RegionRole::SpanEvent)) if line.exits == 0 => {
                    "moment".to_owned()
                }
                (State::Armed, _) => line.exits.to_string(),
            };
            writeln!(
                f,
                "  {:name_width$}  {:function_width$}  {:>#10x}  {exits:>5}  {stepped:>7}  {}",
                line.name, line.function, line.address, line.symbol
            )?;
            if let State::Refused(reason) = &line.state {
                writeln!(f, "  {:name_width$}  can't be armed: {reason}", "")?;
            }
            for reason in &line.stepped_because {
                writeln!(f, "  {:name_width$}  single-stepped: {reason}", "")?;
            }
            if !line.left_out.is_empty() {
                let values = line.left_out.join(", ");
                writeln!(
                    f,
                    "  {:name_width$}  unknown in this build, left out: {values}",
                    ""
                )?;
            }
        }
        Ok(())
    }
}

impl ObjectReport {
    /// Width of a column: that of its widest cell or its title, within reason.
    fn widest(&self, title: usize, cell: impl Fn(&RegionLine) -> usize) -> usize {
        let widest = self.regions.iter().map(cell).max().unwrap_or(0);
        widest.clamp(title, 80)
    }
}
