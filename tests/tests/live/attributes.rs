//! Attributes equal what the library told the service itself, in 100 % of the spans.

use std::process::Command;

use hotspan_tests::{
    agent::Attach, gate::require_bpf, judge::span_for, load, otlp::Span, paths, python::Venv,
    service::Options, truth::Call,
};
use serde_json::Value;

use crate::scene::{self, EXPECT_FROM_NS, Scene};

/// Which fact of the service is which attribute.
const CPSAT: &[(&str, &str)] = &[
    ("status", "optim.solver_status_code"),
    ("status_name", "optim.solver_status"),
    ("found", "optim.solution_found"),
    ("objective", "optim.objective_value"),
    ("bound", "optim.best_bound"),
    ("variables", "optim.num_variables"),
    ("constraints", "optim.num_constraints"),
    ("limit_s", "optim.time_limit_s"),
];
const ROUTING: &[(&str, &str)] = &[
    ("locations", "optim.num_locations"),
    ("vehicles", "optim.num_vehicles"),
    ("status", "optim.solver_status_code"),
    ("found", "optim.solution_found"),
    ("objective", "optim.objective_value"),
];

#[test]
fn ortools_9_13() {
    batch("ortools-9.13");
}

#[test]
fn ortools_9_14() {
    batch("ortools-9.14");
}

#[test]
fn ortools_9_15() {
    batch("solver");
}

#[test]
fn time_limits_and_solutions() {
    let Some(_turn) = require_bpf("time limits") else {
        return;
    };
    let scene = scene::service(&Options::default(), |service| {
        service
            .get("/cpsat?workers=1&jobs=12&machines=12&limit=0.3")
            .unwrap();
        service.get("/cpsat?workers=1&jobs=6&machines=6").unwrap();
        service
            .get("/routing?locations=15&vehicles=3&limit=0.2")
            .unwrap();
        load::send(service.port, 24, 2, load::mixed).unwrap();
    });
    scene.must_be_perfect(10);
    compare(&scene);
    let limited = scene
        .named("cpsat.solve")
        .find(|span| span.number("optim.time_limit_s") == Some(0.3))
        .unwrap();
    assert_eq!(
        limited.attributes.get("optim.hit_time_limit"),
        Some(&Value::Bool(true)),
        "{limited:?}"
    );
    let quick = scene
        .named("cpsat.solve")
        .find(|span| span.text("optim.solver_status") == Some("OPTIMAL"))
        .unwrap();
    assert_eq!(
        quick.attributes.get("optim.hit_time_limit"),
        Some(&Value::Bool(false)),
        "{quick:?}"
    );
    let improved = scene
        .named("cpsat.solve")
        .filter(|span| !span.events.is_empty())
        .count();
    assert!(improved > 0, "no improved solution is an event on any span");
    for span in scene
        .named("cpsat.solve")
        .filter(|span| span.text("optim.solver_status") == Some("INFEASIBLE"))
    {
        assert_eq!(span.status, 0, "infeasible is no error: {span:?}");
    }
}

/// OR-Tools of a version, in hand-made spans.
fn batch(requirements: &str) {
    let Some(_turn) = require_bpf(requirements) else {
        return;
    };
    let venv = Venv::get(requirements).unwrap();
    let mut command = Command::new(venv.python());
    command
        .arg(paths::targets().join("batch.py"))
        .arg("ortools");
    let scene = scene::batch(&mut command, |pid| Attach::pid(pid).armed_ahead(), 40);
    scene.must_be_perfect(20);
    compare(&scene);
    // The first request imports it, by stacks that may be too deep to be read whole: then no import is told.
    let first = &scene.calls[0].trace_id;
    let imports = (scene.outcome.spans.iter()).filter(|span| span.name.starts_with("import "));
    eprintln!("  {} imports", imports.clone().count());
    let strays: Vec<_> = imports.filter(|span| span.trace_id != *first).collect();
    assert!(strays.is_empty(), "{strays:?}");
}

fn compare(scene: &Scene) {
    let (mut compared, mut differences) = (0, Vec::new());
    for call in scene
        .calls
        .iter()
        .filter(|call| call.duration_ns() >= EXPECT_FROM_NS && call.has_parent())
    {
        let names = match call.region.as_str() {
            "cpsat.solve" => CPSAT,
            "routing.solve" => ROUTING,
            _ => continue,
        };
        let span = span_for(&scene.outcome.spans, call).unwrap();
        for (fact, key) in names {
            compared += 1;
            differences.extend(difference(call, span, fact, key));
        }
    }
    eprintln!("  {compared} attributes compared");
    assert!(compared > 50, "only {compared} attributes compared");
    assert!(
        differences.is_empty(),
        "{} of {compared}:\n{}",
        differences.len(),
        differences.join("\n")
    );
}

/// A line for an attribute that is not what the service saw. What the library did not say must not
/// be there.
fn difference(call: &Call, span: &Span, fact: &str, key: &str) -> Option<String> {
    let expected = call.facts.get(fact).unwrap_or(&Value::Null);
    let got = span.attributes.get(key).unwrap_or(&Value::Null);
    let equal = match (expected.as_f64(), got.as_f64()) {
        (Some(a), Some(b)) => (a - b).abs() <= 1e-9 * a.abs().max(1.0),
        _ => expected == got,
    };
    (!equal).then(|| {
        format!(
            "{} in {}: {key} is {got}, the service saw {expected}",
            call.region, call.route
        )
    })
}
