//! The end of a run, on standard error: what became of everything, and what it cost.

use std::{
    fmt::{Display, Write as _},
    time::Duration,
};

use crate::{
    export::{ExportSummary, ExporterSummary},
    run::Outcome,
};
use hotspan_synth::summary::{Summary, Work};

/// Prints it.
pub fn print(outcome: &Outcome) {
    eprint!("{}", text(&outcome.summary, &outcome.exports));
    eprint!("{}", cost(&outcome.summary));
}

/// Spans, what was unattributed, what was dropped: all that is not zero.
pub fn text(summary: &Summary, exports: &ExportSummary) -> String {
    let mut text = format!(
        "hotspan: {} spans from {} crossings\n",
        summary.spans, summary.crossings
    );
    section(&mut text, "by origin", summary.by_origin.iter());
    section(&mut text, "by parent source", summary.by_source.iter());
    let regions = summary.by_region.iter();
    section(
        &mut text,
        "by name",
        regions.map(|(name, work)| (name, show(*work))),
    );
    let unattributed = summary.unattributed.iter().map(|entry| {
        let name = format!("{} ({})", entry.region, entry.reason);
        (name, show(entry.work))
    });
    section(
        &mut text,
        "unattributed: no parent that may be named",
        unattributed,
    );
    let coverage = summary.coverage.iter().map(|(name, coverage)| {
        let share = 100.0 * coverage.share();
        (
            name,
            format!("{share:.1} % of {} requests", coverage.requests),
        )
    });
    section(&mut text, "coverage by leaf spans", coverage);
    section(&mut text, "samples and waits", summary.evidence.iter());
    section(
        &mut text,
        "samples of nobody's requests, by outermost function",
        summary.nobodys_samples.iter(),
    );
    section(
        &mut text,
        "inferred and left out",
        summary.not_inferred.iter(),
    );
    section(&mut text, "dropped", summary.dropped.iter());
    section(&mut text, "limits and oddities", summary.noted.iter());
    section(&mut text, "counters", summary.counters.iter());
    for exporter in &exports.exporters {
        export(&mut text, exporter);
    }
    if exports.sampled_out > 0 {
        line(
            &mut text,
            "spans left out by OTEL_TRACES_SAMPLER",
            exports.sampled_out,
        );
    }
    text
}

fn export(text: &mut String, exporter: &ExporterSummary) {
    line(
        text,
        &format!("sent to {}", exporter.exporter),
        format!("{} of {}", exporter.sent, exporter.accepted),
    );
    for (reason, spans) in &exporter.dropped {
        line(text, &format!("  dropped: {}", reason.name()), spans);
    }
    if exporter.retries > 0 {
        line(text, "  requests repeated", exporter.retries);
    }
    if let Some(error) = &exporter.last_error {
        line(text, "  last error", error);
    }
}

fn section<K: Display, V: Display>(
    text: &mut String,
    title: &str,
    entries: impl Iterator<Item = (K, V)>,
) {
    let mut entries = entries.peekable();
    if entries.peek().is_none() {
        return;
    }
    let _ = writeln!(text, "  {title}");
    for (name, value) in entries {
        line(text, &format!("  {name}"), value);
    }
}

fn line(text: &mut String, name: &str, value: impl Display) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "  {name:<44} {value}");
}

fn show(work: Work) -> String {
    format!(
        "{} in {:.3} s",
        work.crossings,
        Duration::from_nanos(work.ns).as_secs_f64()
    )
}

/// The agent's own use, and what its probes cost the target, estimated from the number of hits.
fn cost(summary: &Summary) -> String {
    let mut text = String::from("  cost\n");
    if let Some((cpu, memory)) = own_use() {
        line(&mut text, "  hotspan's CPU", format!("{cpu:.3} s"));
        line(
            &mut text,
            "  hotspan's memory, at most",
            format!("{memory:.1} MB"),
        );
    }
    let count = |name| summary.counters.get(name).copied().unwrap_or(0);
    let hits = count("kernel.entries")
        + count("kernel.exits")
        + count("kernel.passed_exits")
        + count("kernel.other_callers");
    line(
        &mut text,
        "  probe hits in targets",
        format!(
            "{hits}, about {:.3} s of their CPU",
            hits as f64 * HIT_SECONDS
        ),
    );
    text
}

/// What a hit costs the target, at most, as a rule: a single-stepped instruction with its trap and
/// hotspan's program (measured, see FIGURES.md).
const HIT_SECONDS: f64 = 5e-6;

/// CPU seconds and peak resident megabytes of this process; `None` where `/proc` does not say.
fn own_use() -> Option<(f64, f64)> {
    let process = procfs::process::Process::myself().ok()?;
    let stat = process.stat().ok()?;
    let peak_kib = process.status().ok()?.vmhwm?;
    let ticks = (stat.utime + stat.stime) as f64;
    Some((
        ticks / procfs::ticks_per_second() as f64,
        peak_kib as f64 / 1024.0,
    ))
}
