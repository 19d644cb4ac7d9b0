//! The commands.

use std::{ffi::OsString, num::NonZeroU32, path::PathBuf, time::Duration};

use clap::{Args, CommandFactory, Parser, Subcommand, error::ErrorKind};

use super::{
    ExportArgs, OtlpEndpoint, SelectorArgs, TargetArgs, TraceArgs, help, trace::frequency,
};

/// Native work of a running process as OpenTelemetry spans, from outside.
///
/// hotspan attaches to a process that OpenTelemetry already traces, and adds child spans for the
/// native work (solvers, BLAS, regular expressions) under the spans that the process has. The
/// process is not restarted and not changed.
#[derive(Debug, Parser)]
#[command(name = "hotspan", version, max_term_width = 100, after_help = help::TOP)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Trace a running process until Ctrl-C, --duration or its end.
    #[command(after_help = help::ATTACH)]
    Attach(AttachArgs),
    /// Start a program and trace it from its first instruction.
    #[command(after_help = help::RUN)]
    Run(RunArgs),
    /// Say what this host and process allow, what is missing, and what to do.
    #[command(after_help = help::DOCTOR)]
    Doctor(DoctorArgs),
    /// List the regions found in a process or file: where, and whether they can be armed.
    #[command(after_help = help::REGIONS)]
    Regions(RegionsArgs),
    /// Show the requests that a process has in flight, now: where, on how many threads, waiting for what.
    #[command(after_help = help::TOP_COMMAND)]
    Top(TopArgs),
    /// Trace a running process and write all that was seen to a file.
    #[command(after_help = help::RECORD)]
    Record(RecordArgs),
    /// Make the spans of a recording again. Needs no root and no process.
    #[command(after_help = help::REPLAY)]
    Replay(ReplayArgs),
}

/// `hotspan attach`.
#[derive(Debug, Args)]
pub struct AttachArgs {
    /// The process.
    #[command(flatten)]
    pub target: TargetArgs,
    /// How to trace.
    #[command(flatten)]
    pub trace: TraceArgs,
    /// Where spans go.
    #[command(flatten)]
    pub export: ExportArgs,
}

/// `hotspan run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// The program and its arguments, after `--`
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
    /// How to trace.
    #[command(flatten)]
    pub trace: TraceArgs,
    /// Where spans go.
    #[command(flatten)]
    pub export: ExportArgs,
}

/// `hotspan doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// The process to look at; without one, the host alone.
    #[command(flatten)]
    pub target: SelectorArgs,
    /// Trace the process for so long once its probes are armed, e.g. `10s`, or until Ctrl-C, and say whether its calls
    /// have an active span.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub watch: Option<Duration>,
    /// Also check that this endpoint answers: a URL, or `target` for the process's own.
    #[arg(long, value_name = "URL|target")]
    pub otlp_endpoint: Option<OtlpEndpoint>,
    /// Catalogue file to use besides those built in; may be repeated.
    #[arg(long, value_name = "FILE")]
    pub regions: Vec<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// `hotspan regions`: of a process, or of an object file.
#[derive(Debug, Args)]
#[command(mut_group("selector", |group| group.required(true)))]
pub struct RegionsArgs {
    /// The process.
    #[command(flatten)]
    pub target: SelectorArgs,
    /// An executable or shared library, instead of a process.
    #[arg(group = "selector", value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Catalogue file to use besides those built in; may be repeated.
    #[arg(long, value_name = "FILE")]
    pub regions: Vec<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// Sample the process for a while and print a catalogue file for its hot native functions.
    #[arg(long, conflicts_with_all = ["json", "file"])]
    pub suggest: bool,
    /// Sample for this long, e.g. `30s`; 10 seconds unless given.
    #[arg(long, value_name = "TIME", requires = "suggest", value_parser = humantime::parse_duration)]
    pub duration: Option<Duration>,
    /// Take stacks so many times a second on each CPU (1 to 999).
    #[arg(long, value_name = "HZ", default_value = "99", requires = "suggest", value_parser = frequency)]
    pub frequency: NonZeroU32,
}

/// `hotspan top`.
#[derive(Debug, Args)]
pub struct TopArgs {
    /// The process.
    #[command(flatten)]
    pub target: TargetArgs,
    /// Show one picture, after about a second, and end.
    #[arg(long)]
    pub once: bool,
    /// Stop so long after the probes are armed, e.g. `30s`.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub duration: Option<Duration>,
    /// Take stacks so many times a second on each CPU (1 to 999).
    #[arg(long, value_name = "HZ", default_value = "99", value_parser = frequency)]
    pub frequency: NonZeroU32,
    /// Catalogue file to use besides those built in; may be repeated.
    #[arg(long, value_name = "FILE")]
    pub regions: Vec<PathBuf>,
}

/// `hotspan record`: as `attach`, and everything that was seen goes to a file.
#[derive(Debug, Args)]
pub struct RecordArgs {
    /// The process.
    #[command(flatten)]
    pub target: TargetArgs,
    /// The recording to write; an existing file is replaced.
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
    /// How to trace.
    #[command(flatten)]
    pub trace: TraceArgs,
    /// Where spans go, besides the recording; nowhere unless given.
    #[command(flatten)]
    pub export: ExportArgs,
}

/// `hotspan replay`.
#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// The recording to read.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Where spans go.
    #[command(flatten)]
    pub export: ExportArgs,
}

impl Cli {
    /// Reads a command line, the program's name first.
    ///
    /// Errors: clap's, help and version included; `clap::Error::exit` prints them and ends with
    /// code 2 ([`super::Exit::Usage`]), or 0 for help and version.
    pub fn from_words<I, T>(words: I) -> Result<Self, clap::Error>
    where
        I: IntoIterator<Item = T>,
        T: Into<OsString> + Clone,
    {
        let cli = Self::try_parse_from(words)?;
        cli.refuse_contradictions()?;
        Ok(cli)
    }

    /// What clap's own declarations cannot say.
    fn refuse_contradictions(&self) -> Result<(), clap::Error> {
        let complaint = match &self.command {
            Command::Replay(args) if args.export.otlp_endpoint == Some(OtlpEndpoint::Target) => {
                "a replay has no process whose endpoint it could use: give --otlp-endpoint a URL"
            }
            Command::Doctor(args) if args.watch.is_some() && args.target.selector().is_none() => {
                "--watch needs a process: add --pid, --name or --port"
            }
            Command::Doctor(args)
                if args.otlp_endpoint == Some(OtlpEndpoint::Target)
                    && args.target.selector().is_none() =>
            {
                "--otlp-endpoint target needs a process: add --pid, --name or --port"
            }
            _ => return Ok(()),
        };
        Err(Self::command().error(ErrorKind::ArgumentConflict, complaint))
    }
}
