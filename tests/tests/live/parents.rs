//! Every span hangs under the span that was active at the call.

use std::collections::HashSet;

use hotspan_tests::{
    gate::require_bpf,
    http, load,
    service::{Options, SERVICE_NAME, Server, Service},
};

use crate::scene;

const AT_ONCE: usize = 8;

/// `requests` on the mixed endpoints, 8 at once, must be told apart without a mistake.
fn check(test: &str, options: &Options, requests: usize) {
    let Some(_turn) = require_bpf(test) else {
        return;
    };
    let scene = scene::service(options, |service| drive(service, requests));
    scene.must_be_perfect(requests / 4);
    assert!(
        scene
            .outcome
            .spans
            .iter()
            .all(|span| span.scope == "hotspan" && span.kind == 1)
    );
    let foreign = scene
        .outcome
        .spans
        .iter()
        .find(|span| span.resource.get("service.name") != Some(&SERVICE_NAME.into()));
    assert!(foreign.is_none(), "not the target's resource: {foreign:?}");
}

fn drive(service: &Service, requests: usize) {
    load::send(service.port, requests, AT_ONCE, load::mixed).unwrap();
}

#[test]
fn mixed_endpoints_at_eight_at_once() {
    check("mixed endpoints", &Options::default(), 480);
}

#[test]
fn uvloop() {
    check(
        "uvloop",
        &Options {
            uvloop: true,
            ..Options::default()
        },
        96,
    );
}

#[test]
fn uvicorn_workers_are_covered_through_their_master() {
    check(
        "uvicorn workers",
        &Options {
            server: Server::UvicornWorkers(2),
            ..Options::default()
        },
        96,
    );
}

#[test]
fn gunicorn_workers_are_covered_through_their_master() {
    check(
        "gunicorn workers",
        &Options {
            server: Server::Gunicorn(2),
            ..Options::default()
        },
        96,
    );
}

#[test]
fn a_pid_and_mount_namespace_of_its_own() {
    check(
        "namespaces",
        &Options {
            namespace: true,
            ..Options::default()
        },
        96,
    );
}

#[test]
fn a_library_that_the_first_request_imports() {
    let Some(_turn) = require_bpf("late import") else {
        return;
    };
    let options = Options {
        lazy: true,
        ..Options::default()
    };
    let scene = scene::service(&options, |service| {
        // Long enough to be expected, and the very first.
        service.get("/cpsat?jobs=6&machines=6&seed=3").unwrap();
        drive(service, 24);
    });
    scene.must_be_perfect(5);
}

#[test]
fn no_span_under_an_unsampled_one() {
    let Some(_turn) = require_bpf("unsampled") else {
        return;
    };
    let scene = scene::service(&Options::default(), |service| {
        let client = http::client();
        for (number, flags) in ["00", "01"].iter().cycle().take(40).enumerate() {
            let parent = format!("00-{:032x}-{:016x}-{flags}", number + 1, number + 1);
            http::get_in_trace(&client, service.port, &load::mixed(number / 2), &parent).unwrap();
        }
    });
    let sampled = scene.calls.iter().filter(|call| call.has_parent()).count();
    assert!(
        (10..scene.calls.len()).contains(&sampled),
        "{sampled} of {} calls sampled",
        scene.calls.len()
    );
    scene.must_be_perfect(5);
}

#[test]
fn all_eight_workers_hang_under_their_solve() {
    let Some(_turn) = require_bpf("workers") else {
        return;
    };
    let scene = scene::service(&Options::default(), |service| {
        for seed in 1..=3 {
            service
                .get(&format!(
                    "/cpsat?workers=8&jobs=16&machines=16&limit=2&seed={seed}"
                ))
                .unwrap();
        }
    });
    scene.must_be_perfect(3);
    // A solve that is over before its last worker has begun needs no eight of them.
    for call in &scene.calls {
        assert_ne!(
            call.facts["status_name"], "OPTIMAL",
            "the model is too easy for this test: {call:?}"
        );
    }
    for solve in scene.named("cpsat.solve") {
        let workers: Vec<_> = scene
            .named("cpsat.worker")
            .filter(|span| span.trace_id == solve.trace_id)
            .collect();
        let threads: HashSet<_> = workers.iter().map(|span| span.int("thread.id")).collect();
        assert_eq!(threads.len(), 8, "threads with a worker under {solve:?}");
        for worker in workers {
            assert!(
                scene
                    .above(worker)
                    .any(|span| span.span_id == solve.span_id),
                "{worker:?} is not under {solve:?}"
            );
            assert!(
                solve.start_ns <= worker.start_ns && worker.end_ns <= solve.end_ns,
                "{worker:?} outlives {solve:?}"
            );
            assert!(
                worker.text("optim.subsolver").is_some(),
                "{worker:?} names no subsolver"
            );
        }
    }
}

#[test]
fn greenlets_on_one_thread() {
    let Some(_turn) = require_bpf("greenlets") else {
        return;
    };
    let venv = hotspan_tests::python::Venv::get("gevent").unwrap();
    let mut command = std::process::Command::new(venv.python());
    command.arg(hotspan_tests::paths::targets().join("greenlets.py"));
    let scene = scene::batch(&mut command, hotspan_tests::agent::Attach::pid, 40);
    // A substitution that is left in another order than it was entered is ambiguous, and then it is
    // counted rather than emitted; what is emitted must be right.
    let verdict = scene.judge();
    eprintln!("  {}", verdict.summary());
    let complaints: Vec<_> = verdict
        .complaints()
        .into_iter()
        .filter(|line| !line.contains("python.regex.sub"))
        .collect();
    assert!(
        complaints.is_empty(),
        "{}\n{}",
        complaints.join("\n"),
        scene.outcome.stderr
    );
    assert!(
        verdict.expected() >= 80,
        "only {} calls to look at",
        verdict.expected()
    );
}
