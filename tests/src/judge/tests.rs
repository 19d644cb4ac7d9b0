use serde_json::json;

use super::*;

fn call(span_id: &str, tid: i64, start_ns: u64, end_ns: u64) -> Call {
    Call {
        region: "cpsat.solve".to_owned(),
        route: "/cpsat".to_owned(),
        trace_id: "aa".to_owned(),
        span_id: span_id.to_owned(),
        sampled: true,
        pid: 1,
        tid,
        start_ns,
        end_ns,
        facts: json!({}),
    }
}

fn span(span_id: &str, parent: &str, name: &str, tid: i64, start_ns: u64, end_ns: u64) -> Span {
    Span {
        trace_id: "aa".to_owned(),
        span_id: span_id.to_owned(),
        parent: parent.to_owned(),
        parent_is_remote: false,
        name: name.to_owned(),
        start_ns,
        end_ns,
        kind: 1,
        status: 0,
        attributes: [("thread.id".to_owned(), json!(tid))].into(),
        events: Vec::new(),
        scope: "hotspan".to_owned(),
        links: Vec::new(),
        resource: [].into(),
    }
}

const MS: u64 = 1_000_000;

/// As made of samples, with an error of 10 ms.
fn sampled(mut span: Span) -> Span {
    let said = [
        ("hotspan.origin".to_owned(), json!("sample")),
        ("hotspan.error_ns".to_owned(), json!(10 * MS)),
    ];
    span.attributes.extend(said);
    span
}

fn check(spans: &[Span], calls: &[Call], expected: &[&str]) {
    let verdict = judge(&Case {
        spans,
        calls,
        exported: &[],
        expect_from_ns: MS,
    });
    let kinds: Vec<String> = verdict
        .complaints()
        .iter()
        .filter_map(|line| line.split(':').next().map(str::to_owned))
        .collect();
    assert_eq!(kinds, expected);
}

#[test]
fn a_worker_is_right_through_its_solve() {
    let calls = [call("11", 5, 10 * MS, 50 * MS)];
    let solve = span("s", "11", "cpsat.solve", 5, 10 * MS, 50 * MS);
    let worker = span("w", "s", "cpsat.worker", 6, 20 * MS, 40 * MS);
    check(&[solve, worker], &calls, &[]);
}

#[test]
fn another_requests_span_is_wrong() {
    let calls = [
        call("11", 5, 10 * MS, 50 * MS),
        call("22", 6, 10 * MS, 50 * MS),
    ];
    let swapped = [
        span("s", "22", "cpsat.solve", 5, 10 * MS, 50 * MS),
        span("t", "22", "cpsat.solve", 6, 10 * MS, 50 * MS),
    ];
    check(&swapped, &calls, &["wrong parent"]);
}

#[test]
fn of_two_coroutines_on_a_thread_the_one_that_had_begun_is_meant() {
    // The thread lost the CPU for 5 ms between reading its clock and the first call.
    let calls = [
        call("11", 5, 10 * MS, 50 * MS),
        call("22", 5, 16 * MS, 60 * MS),
    ];
    let spans = [
        span("s", "11", "cpsat.solve", 5, 15 * MS, 50 * MS),
        span("t", "22", "cpsat.solve", 5, 16 * MS, 60 * MS),
    ];
    check(&spans, &calls, &[]);
}

#[test]
fn a_call_without_a_span_is_missing_and_a_span_without_a_call_stray() {
    let calls = [call("11", 5, 10 * MS, 50 * MS)];
    check(
        &[span("s", "33", "cpsat.solve", 5, 90 * MS, 95 * MS)],
        &calls,
        &["in no call", "missing"],
    );
}

#[test]
fn a_span_under_no_active_span_is_unwanted() {
    let mut none = call("00", 5, 10 * MS, 50 * MS);
    none.sampled = false;
    check(
        &[span("s", "00", "cpsat.solve", 5, 10 * MS, 50 * MS)],
        &[none],
        &["unwanted"],
    );
}

#[test]
fn a_call_under_no_active_span_may_begin_a_trace() {
    let mut none = call("00", 5, 10 * MS, 50 * MS);
    none.sampled = false;
    let mut root = span("s", "", "cpsat.solve", 5, 10 * MS, 50 * MS);
    root.trace_id = "bb".to_owned();
    check(std::slice::from_ref(&root), &[none], &[]);
    let active = call("11", 5, 10 * MS, 50 * MS);
    check(&[root], &[active], &["wrong parent"]);
}

#[test]
fn an_inferred_span_has_the_margin_that_it_declares() {
    let calls = [
        call("11", 5, 10 * MS, 50 * MS),
        call("22", 5, 50 * MS, 90 * MS),
    ];
    let mut calls = calls;
    calls[1].trace_id = "bb".to_owned();
    let own = span("r", "11", "cpsat.solve", 5, 10 * MS, 50 * MS);
    let mut next = span("t", "22", "cpsat.solve", 5, 50 * MS, 90 * MS);
    next.trace_id = "bb".to_owned();
    let within = sampled(span("s", "11", "work", 5, 30 * MS, 58 * MS));
    check(&[own.clone(), next.clone(), within], &calls, &[]);
    let beyond = sampled(span("s", "11", "work", 5, 55 * MS, 85 * MS));
    check(&[own, next, beyond], &calls, &["wrong parent"]);
}

#[test]
fn an_inferred_span_that_is_shorter_than_its_margin_lies_where_all_of_the_margin_does() {
    let calls = [call("22", 5, 20 * MS, 60 * MS)];
    let exported = [span("11", "", "GET /", 5, 5 * MS, 95 * MS)];
    let wrong = |start_ns, end_ns| {
        let verdict = judge(&Case {
            spans: &[sampled(span("s", "11", "work", 5, start_ns, end_ns))],
            calls: &calls,
            exported: &exported,
            expect_from_ns: MS,
        });
        verdict.wrong.len()
    };
    assert_eq!(wrong(35 * MS, 45 * MS), 1);
    assert_eq!(wrong(15 * MS, 34 * MS), 0);
}

#[test]
fn an_inferred_span_beside_its_parent_is_stray() {
    let calls = [call("11", 5, 10 * MS, 50 * MS)];
    let exported = [span("11", "", "GET /", 5, 5 * MS, 55 * MS)];
    let own = span("r", "11", "cpsat.solve", 5, 10 * MS, 50 * MS);
    let late = sampled(span("s", "11", "work", 5, 90 * MS, 120 * MS));
    let verdict = judge(&Case {
        spans: &[own, late],
        calls: &calls,
        exported: &exported,
        expect_from_ns: MS,
    });
    assert_eq!((verdict.right, verdict.strays.len()), (1, 1));
}

#[test]
fn who_waits_for_a_cpu_may_do_so_twice_before_it_lets_go_of_a_span_that_has_ended() {
    let exported = [span("11", "", "GET /", 5, 5 * MS, 55 * MS)];
    let strays = |origin: &str, start_ns| {
        let mut wait = span("s", "11", "wait.runqueue", 5, start_ns, start_ns + 10 * MS);
        wait.attributes
            .insert("hotspan.origin".to_owned(), json!(origin));
        let verdict = judge(&Case {
            spans: &[wait],
            calls: &[],
            exported: &exported,
            expect_from_ns: MS,
        });
        verdict.strays.len()
    };
    assert_eq!(strays("wait", 70 * MS), 0);
    assert_eq!(strays("sample", 70 * MS), 1);
    assert_eq!(strays("wait", 120 * MS), 1);
}

#[test]
fn a_task_may_be_suspended_while_the_loop_computes_for_another() {
    let loops = call("11", 1, 10 * MS, 50 * MS);
    let solve = span("r", "11", "cpsat.solve", 1, 10 * MS, 50 * MS);
    let exported = [
        span("11", "", "GET /async", 1, 5 * MS, 55 * MS),
        span("22", "", "GET /to_thread", 1, 5 * MS, 55 * MS),
    ];
    let of_another = |origin: &str, thread: i64| {
        let mut span = span("s", "22", "wait.unknown", thread, 15 * MS, 40 * MS);
        span.attributes
            .insert("hotspan.origin".to_owned(), json!(origin));
        span
    };
    let complaints = |spans: &[Span], call: &Call, solve: &Span| {
        let verdict = judge(&Case {
            spans: &[std::slice::from_ref(solve), spans].concat(),
            calls: std::slice::from_ref(call),
            exported: &exported,
            expect_from_ns: MS,
        });
        verdict.wrong.len()
    };
    assert_eq!(complaints(&[of_another("wait", 1)], &loops, &solve), 0);
    assert_eq!(complaints(&[of_another("sample", 1)], &loops, &solve), 1);
    let mut awaits = span("w", "s", "wait.unknown", 1, 16 * MS, 39 * MS);
    awaits
        .attributes
        .insert("hotspan.origin".to_owned(), json!("wait"));
    let function = [of_another("sample", 1), awaits];
    assert_eq!(complaints(&function, &loops, &solve), 0);
    let elsewhere = call("11", 5, 10 * MS, 50 * MS);
    let solve = span("r", "11", "cpsat.solve", 5, 10 * MS, 50 * MS);
    assert_eq!(complaints(&[of_another("wait", 5)], &elsewhere, &solve), 1);
}
