//! `cargo xtask demo`: the traces of a real service before and after hotspan is attached.

use std::time::Duration;

use anyhow::{Context, Result};
use hotspan::export::waterfall::{Row, Style, render};
use hotspan_synth::{ids::SpanId, time::UnixTime};
use hotspan_tests::{
    agent::Attach,
    collector::Receiver,
    otlp::Span,
    python::Venv,
    service::{Options, Service},
};

use crate::cargo::{self, say};

/// `cargo xtask demo`.
#[derive(clap::Args)]
pub struct Arguments {
    /// Columns of the waterfalls.
    #[arg(long, default_value_t = 110)]
    width: usize,
}

/// What is asked of the service: a title and a request.
const REQUESTS: &[(&str, &str)] = &[
    (
        "CP-SAT, 1 worker",
        "/cpsat?workers=1&jobs=9&machines=9&limit=1",
    ),
    (
        "CP-SAT, 4 workers",
        "/cpsat?workers=4&jobs=9&machines=9&limit=1",
    ),
    (
        "routing, 12 locations, 2 vehicles",
        "/routing?locations=12&vehicles=2&limit=0.3",
    ),
];

/// Longest time that the service's own exporter may take.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(15);

/// Shows it.
pub fn run(arguments: &Arguments) -> Result<()> {
    let agent = cargo::release_agent()?;
    say("the service's Python packages: FastAPI, uvicorn, OpenTelemetry, OR-Tools (once)");
    Venv::get("solver")?;
    say("an OTLP receiver, and the service under `opentelemetry-instrument`, exporting to it");
    let receiver = Receiver::start()?;
    let service = Options {
        exports_to: Some(receiver.endpoint()),
        ..Options::default()
    }
    .start()?;
    println!(
        "    the service: pid {}, http://127.0.0.1:{}",
        service.pid(),
        service.port
    );

    say("three requests, as auto-instrumentation shows them");
    let before = ask(&service)?;
    show(arguments, &receiver, &before)?;

    let endpoint = receiver.endpoint();
    say(&format!(
        "{} attach --pid {} --otlp-endpoint {endpoint} --otlp-protocol grpc",
        agent.display(),
        service.pid()
    ));
    let attached = Attach::pid(service.pid())
        .with([
            "--export",
            "otlp",
            "--otlp-endpoint",
            &endpoint,
            "--otlp-protocol",
            "grpc",
        ])
        .start()?;
    println!("    {}", attached.attached_line);
    println!(
        "    armed {} ms after its start",
        attached.armed_after.as_millis()
    );

    say("the same three requests");
    let after = ask(&service)?;
    let outcome = attached.stop()?;
    receiver.wait("every span of hotspan", EXPORT_TIMEOUT, |spans| {
        spans.iter().filter(|span| span.scope == "hotspan").count() >= outcome.spans.len()
    })?;
    show(arguments, &receiver, &after)?;
    say("the agent's own summary");
    println!("{}", outcome.stderr);
    Ok(())
}

/// Sends the requests; each one's title and trace id.
fn ask(service: &Service) -> Result<Vec<(&'static str, String)>> {
    let one = |(title, path): &(&'static str, &'static str)| {
        let answer = service.get(path)?;
        let trace = answer["trace_id"]
            .as_str()
            .context("the service names no trace")?;
        Ok((*title, trace.to_owned()))
    };
    REQUESTS.iter().map(one).collect()
}

fn show(arguments: &Arguments, receiver: &Receiver, traces: &[(&str, String)]) -> Result<()> {
    let complete = |spans: &[Span]| traces.iter().all(|(_, id)| has_root(spans, id));
    let spans = receiver.wait("the service's own spans", EXPORT_TIMEOUT, complete)?;
    for (title, trace) in traces {
        let rows: Vec<Row> = spans
            .iter()
            .filter(|span| &span.trace_id == trace)
            .map(row)
            .collect();
        println!("\n{title} (trace {trace})");
        print!("{}", render(&rows, arguments.width, Style::of_stdout()));
    }
    println!();
    Ok(())
}

/// Whether the server span, which ends last, has arrived.
fn has_root(spans: &[Span], trace: &str) -> bool {
    spans
        .iter()
        .any(|span| span.trace_id == trace && span.parent.is_empty())
}

fn row(span: &Span) -> Row {
    let status = span.text("optim.solver_status").map(str::to_owned);
    let objective = span
        .number("optim.objective_value")
        .map(|value| format!("objective {value}"));
    let worker = span.text("optim.subsolver").map(str::to_owned);
    Row {
        id: SpanId::from_hex(&span.span_id).unwrap_or_default(),
        parent: SpanId::from_hex(&span.parent).unwrap_or_default(),
        name: span.name.clone(),
        start: UnixTime(span.start_ns),
        end: UnixTime(span.end_ns),
        synthetic: span.scope == "hotspan",
        failed: span.status == 2,
        tags: [status, objective, worker]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join(" "),
    }
}
