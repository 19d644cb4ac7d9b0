//! Command lines as typed, and what they are read as.

use std::{path::PathBuf, time::Duration};

use clap::{CommandFactory, error::ErrorKind};

use super::{AgentError, Cli, Command, Exit, OtlpEndpoint};
use crate::{
    export::{ConfigError, EnvironmentOrigin, ExportChoice, JsonlDestination, Protocol},
    target::{Selector, TargetError},
};

fn words(line: &str) -> impl Iterator<Item = String> {
    format!("hotspan {line}")
        .split(' ')
        .map(str::to_owned)
        .collect::<Vec<_>>()
        .into_iter()
}

fn read(line: &str) -> Command {
    match Cli::from_words(words(line)) {
        Ok(cli) => cli.command,
        Err(error) => panic!("{line}: {error}"),
    }
}

#[test]
fn declarations_are_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn every_option_of_attach() {
    let line = "attach --port 8000 --otlp-endpoint https://collector:4318/x --otlp-protocol http/protobuf \
                --export otlp --export waterfall --export jsonl=a=b.jsonl --min-duration 1ms --duration 1m \
                --regions a.toml --regions b.toml --no-rate-guard --seed 7 --frequency 49";
    let Command::Attach(args) = read(&line.split_whitespace().collect::<Vec<_>>().join(" ")) else {
        panic!("not attach");
    };
    assert_eq!(args.target.selector(), Some(Selector::Port(8000)));
    let url = "https://collector:4318/x".to_owned();
    assert_eq!(args.export.otlp_endpoint, Some(OtlpEndpoint::Url(url)));
    assert_eq!(args.export.otlp_protocol, Some(Protocol::HttpProtobuf));
    let file = JsonlDestination::File("a=b.jsonl".into());
    let exports = [
        ExportChoice::Otlp,
        ExportChoice::Waterfall,
        ExportChoice::Jsonl(file),
    ];
    assert_eq!(args.export.export, exports);
    let overrides = args.export.overrides(EnvironmentOrigin::Own);
    assert_eq!(overrides.exports, exports);
    assert_eq!(
        overrides.endpoint.as_deref(),
        Some("https://collector:4318/x")
    );
    assert_eq!(overrides.protocol, Some(Protocol::HttpProtobuf));
    assert_eq!(args.trace.min_duration, Some(Duration::from_millis(1)));
    assert_eq!(args.trace.duration, Some(Duration::from_mins(1)));
    assert_eq!(
        args.trace.regions,
        [PathBuf::from("a.toml"), PathBuf::from("b.toml")]
    );
    assert!(args.trace.no_rate_guard);
    assert_eq!(args.trace.seed, Some(7));
    assert_eq!(
        args.trace.stacks().map(|stacks| stacks.frequency.get()),
        Some(49)
    );
}

#[test]
fn stacks_are_taken_unless_told_otherwise() {
    let sampling = |line: &str| match read(line) {
        Command::Attach(args) => args.trace.stacks().map(|stacks| stacks.frequency.get()),
        _ => panic!("not attach"),
    };
    assert_eq!(sampling("attach --pid 3"), Some(99));
    assert_eq!(sampling("attach --pid 3 --frequency 999"), Some(999));
    assert_eq!(sampling("attach --pid 3 --no-sampling"), None);
    let promotes = |line: &str| match read(line) {
        Command::Attach(args) => args.trace.promotes(),
        _ => panic!("not attach"),
    };
    assert!(promotes("attach --pid 3"));
    assert!(!promotes("attach --pid 3 --no-promotion"));
    assert!(!promotes("attach --pid 3 --no-sampling"));
}

#[test]
fn the_program_to_run_keeps_its_own_options() {
    let Command::Run(args) = read("run --seed 1 -- python -m x --duration 3s -- y") else {
        panic!("not run");
    };
    assert_eq!(
        args.command,
        ["python", "-m", "x", "--duration", "3s", "--", "y"]
    );
    assert_eq!((args.trace.seed, args.trace.duration), (Some(1), None));
}

#[test]
fn targets_are_optional_where_there_is_something_else() {
    let Command::Doctor(args) = read("doctor --json") else {
        panic!("not doctor");
    };
    assert_eq!((args.target.selector(), args.json), (None, true));
    let Command::Doctor(args) = read("doctor --name uvicorn --otlp-endpoint target") else {
        panic!("not doctor");
    };
    assert_eq!(
        args.target.selector(),
        Some(Selector::Name("uvicorn".into()))
    );
    let Command::Regions(args) = read("regions /lib/libhighs.so") else {
        panic!("not regions");
    };
    assert_eq!(
        (args.file, args.target.pid),
        (Some("/lib/libhighs.so".into()), None)
    );
    let Command::Regions(args) = read("regions --pid 3") else {
        panic!("not regions");
    };
    assert_eq!(args.target.selector(), Some(Selector::Pid(3)));
    let Command::Record(args) = read("record --pid 3 -o x") else {
        panic!("not record");
    };
    assert_eq!(
        (args.output, args.target.selector()),
        ("x".into(), Some(Selector::Pid(3)))
    );
}

#[test]
fn wrong_usage_ends_with_2_and_says_what_is_wrong() {
    fn check(line: &str, kind: ErrorKind, says: &str) {
        let error = Cli::from_words(words(line)).unwrap_err();
        assert_eq!(error.kind(), kind, "{line}");
        assert_eq!(error.exit_code(), Exit::Usage as i32, "{line}");
        let message = error.to_string();
        assert!(message.contains(says), "{line}: {message}");
    }
    use ErrorKind::{
        ArgumentConflict, InvalidValue, MissingRequiredArgument, UnknownArgument, ValueValidation,
    };
    check(
        "attach",
        MissingRequiredArgument,
        "--pid <PID>|--name <NAME>|--port <PORT>",
    );
    check(
        "attach --pid 1 --name x",
        ArgumentConflict,
        "cannot be used with",
    );
    check(
        "attach --name x --port 80",
        ArgumentConflict,
        "cannot be used with",
    );
    check("attach --pid 0", ValueValidation, "0 is not in 1..");
    check("attach --pid x", ValueValidation, "invalid digit");
    check(
        "attach --port 65536",
        ValueValidation,
        "65536 is not in 1..=65535",
    );
    check("attach --name=", InvalidValue, "--name");
    check("attach --pid 1 --rate 99", UnknownArgument, "--rate");
    check(
        "attach --pid 1 --frequency 0",
        ValueValidation,
        "--frequency",
    );
    check(
        "attach --pid 1 --export csv",
        ValueValidation,
        "one of otlp, waterfall, jsonl=FILE",
    );
    check(
        "attach --pid 1 --export jsonl",
        ValueValidation,
        "one of otlp, waterfall, jsonl=FILE",
    );
    check(
        "attach --pid 1 --export folded=",
        ValueValidation,
        "jsonl=-, folded=FILE",
    );
    check(
        "attach --pid 1 --export jsonl=",
        ValueValidation,
        "one of otlp, waterfall, jsonl=FILE",
    );
    check(
        "attach --pid 1 --otlp-endpoint=",
        ValueValidation,
        "looks like http://localhost:4317",
    );
    check(
        "attach --pid 1 --otlp-protocol http/json",
        ValueValidation,
        "http/json",
    );
    check("attach --pid 1 --min-duration 1", ValueValidation, "unit");
    check("record --pid 1", MissingRequiredArgument, "--output <FILE>");
    check("run", MissingRequiredArgument, "COMMAND");
    check("run python", UnknownArgument, "python");
    check("regions", MissingRequiredArgument, "FILE");
    check(
        "regions --pid 1 file",
        ArgumentConflict,
        "cannot be used with",
    );
    check("replay", MissingRequiredArgument, "FILE");
    check(
        "replay x --otlp-endpoint target",
        ArgumentConflict,
        "give --otlp-endpoint a URL",
    );
    check(
        "doctor --otlp-endpoint target",
        ArgumentConflict,
        "add --pid, --name or --port",
    );
}

#[test]
fn help_has_examples_and_fits() {
    let mut top = Cli::command();
    let help = top.render_long_help().to_string();
    for part in [
        "EXAMPLES",
        "ENVIRONMENT",
        "EXIT CODES",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "OTEL_TRACES_SAMPLER",
    ] {
        assert!(help.contains(part), "{part}");
    }
    let commands = top.get_subcommands_mut();
    for command in commands.filter(|command| command.get_name() != "help") {
        let help = command.render_long_help().to_string();
        let examples = help.split("EXAMPLES").nth(1).unwrap_or_default();
        assert!(
            examples.contains(&format!("hotspan {}", command.get_name())),
            "{help}"
        );
        let widest = help.lines().map(str::len).max();
        assert!(widest <= Some(100), "{widest:?}: {help}");
    }
}

#[test]
fn examples_are_valid() {
    let mut top = Cli::command();
    let mut seen = 0;
    for command in top.get_subcommands_mut() {
        let help = command.render_long_help().to_string().replace("\\\n", " ");
        let commands = help
            .lines()
            .filter_map(|line| line.trim().split("hotspan ").nth(1));
        for line in commands.filter(|line| !line.contains(['[', '.']) || line.contains(" -")) {
            // What follows a `>` is the shell's.
            let words = line.split_whitespace().take_while(|word| *word != ">");
            read(&words.collect::<Vec<_>>().join(" "));
            seen += 1;
        }
    }
    assert!(seen >= 10, "{seen}");
}

#[test]
fn errors_end_with_their_codes() {
    fn check(error: impl Into<anyhow::Error>, expected: Exit) {
        let error = error.into();
        let text = format!("{error:#}");
        assert_eq!(Exit::of(&error), expected, "{text}");
        let wrapped = error.context("while attaching").context("in main");
        assert_eq!(Exit::of(&wrapped), expected, "wrapped: {text}");
    }
    check(anyhow::anyhow!("disk full"), Exit::Failed);
    check(
        std::io::Error::other(TargetError::NoSuchProcess { pid: 9 }),
        Exit::Failed,
    );
    check(TargetError::NoSuchProcess { pid: 9 }, Exit::NoSuchProcess);
    check(TargetError::Ended { pid: 9 }, Exit::NoSuchProcess);
    check(
        TargetError::NoMatch { what: "x".into() },
        Exit::NoSuchProcess,
    );
    check(
        TargetError::KernelThread {
            pid: 2,
            name: "x".into(),
        },
        Exit::Usage,
    );
    check(
        TargetError::Several {
            what: "x".into(),
            candidates: vec![],
        },
        Exit::Usage,
    );
    check(TargetError::AgentPidNamespace, Exit::NotPermitted);
    check(
        AgentError::NotPermitted("no BTF".into()),
        Exit::NotPermitted,
    );
    check(AgentError::Usage("x".into()), Exit::Usage);
    let config = ConfigError {
        setting: "--otlp-endpoint".into(),
        reason: "not a URL".into(),
    };
    check(config, Exit::Usage);
    check(
        AgentError::EndedBeforeAttach { pid: 9 },
        Exit::NoSuchProcess,
    );
    check(
        anyhow::anyhow!("EPERM").context(AgentError::NotPermitted("x".into())),
        Exit::NotPermitted,
    );
}
