//! What lies where a name, a side or coverage is missing.

use hotspan_tests::{
    coverage::{Request, Side},
    otlp::Span,
    truth::Call,
};

/// What there is to explain of a request that was promised this coverage.
pub fn explain(request: &Request<'_>, misnamed: &[(&Call, Vec<&Span>)], promised: Option<f64>) {
    for side in request.sides().iter().filter(|side| !side.is_within()) {
        explain_side(request, side);
    }
    for (phase, spans) in misnamed {
        explain_phase(request, phase, spans);
    }
    let is_low = promised.is_some_and(|share| request.coverage() < share);
    if is_low && misnamed.is_empty() {
        explain_all(request);
    }
}

/// Shows what lies where a phase is not named right, in milliseconds of the request.
fn explain_phase(request: &Request<'_>, phase: &Call, spans: &[&Span]) {
    let root = request.root;
    println!(
        "    misnamed: {} {} of 0..{:.1}",
        phase.region,
        between(root, phase.start_ns, phase.end_ns),
        (root.end_ns - root.start_ns) as f64 / 1e6
    );
    for span in spans {
        println!("      {}", shown(root, span));
    }
}

/// Shows a side that is further off than its span says, and all that lies around it.
fn explain_side(request: &Request<'_>, side: &Side<'_>) {
    println!(
        "    {} of {} is {:.3} ms inside of the work:",
        if side.is_start { "start" } else { "end" },
        side.span.name,
        side.inside_ns as f64 / 1e6
    );
    explain_all(request);
}

/// Shows all of a request.
fn explain_all(request: &Request<'_>) {
    let whole_ms = (request.root.end_ns - request.root.start_ns) as f64 / 1e6;
    let (covered, by_hand) = (request.coverage(), request.by_hand());
    println!("    covered {covered:.3}, by hand {by_hand:.3}, of {whole_ms:.1}:");
    for phase in &request.phases {
        let at = between(request.root, phase.start_ns, phase.end_ns);
        println!("      did {} {at}", phase.region);
    }
    for span in request.spans() {
        println!("      {}", shown(request.root, span));
    }
}

fn shown(root: &Span, span: &Span) -> String {
    format!(
        "{} {} {} ±{:.2}",
        span.text("hotspan.origin").unwrap_or_default(),
        span.name,
        between(root, span.start_ns, span.end_ns),
        span.int("hotspan.error_ns").unwrap_or_default() as f64 / 1e6
    )
}

/// In milliseconds from a request's start.
fn between(root: &Span, start_ns: u64, end_ns: u64) -> String {
    let ms = |at: u64| (at as f64 - root.start_ns as f64) / 1e6;
    format!("{:.2}..{:.2}", ms(start_ns), ms(end_ns))
}
