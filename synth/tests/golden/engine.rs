//! What spans of engines say of the request: how often it was tried, how long it queued.

use hotspan_synth::Limits;

use crate::Case;

#[track_caller]
fn check(drawing: &str, expected: &str) {
    Case::showing(&[
        "hotspan.attempt",
        "hotspan.attempts",
        "ml.inference.queue_wait_ms",
        "ml.inference.forward_pass_ms",
    ])
    .check(drawing, expected);
}

#[test]
fn a_call_that_is_made_again_is_numbered() {
    check(
        "
        1/a | SSSSSS SSS   SSSS
        1   |  HH
        1/b | SSS
        ",
        "
        a
          cpsat.solve 0..6 attempt=1
            highs.run 1..3
          cpsat.solve 7..10 attempt=2
          cpsat.solve 13..17 attempt=3 attempts=3
        b
          cpsat.solve 0..3
        ",
    );
}

#[test]
fn a_request_that_was_quiet_for_long_goes_on_counting() {
    check(
        "
        1/a | SSS                              SSS
        ",
        "
        a
          cpsat.solve 0..3
          cpsat.solve 33..36 attempt=2 attempts=2
        ",
    );
}

#[test]
fn calls_at_a_time_are_no_repetition() {
    check(
        "
        1/a | SSSSSS     SS
        2/a |   SSS
        1/b | HHH
        2/b |    HHH
        ",
        "
        a
          cpsat.solve 0..6
          cpsat.solve 2..5
          cpsat.solve 11..13
        b
          highs.run 0..3 attempt=1
          highs.run 3..6 attempt=2 attempts=2
        ",
    );
}

#[test]
fn one_that_is_still_open_was_followed_by_none() {
    check(
        "
        1/a  | SSS SSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSS SS
        open |       S              S             S
        ",
        "
        a
          cpsat.solve 0..3 attempt=1
          cpsat.solve 4..53 attempt=2
          cpsat.solve 54..56 attempt=3 attempts=3
        ",
    );
}

#[test]
fn the_requests_that_are_followed_are_bounded() {
    let case = Case {
        limits: Limits {
            numbered_requests: 1,
            ..Limits::default()
        },
        shown: &["hotspan.attempt", "hotspan.attempts"],
        ..Case::default()
    };
    case.check(
        "
        1/a | SS         SS
        2/b |   SS   SS
        ",
        "
        a
          cpsat.solve 0..2
          cpsat.solve 11..13 attempt=2 attempts=2
        b
          cpsat.solve 2..4 attempt=1
          cpsat.solve 7..9 attempt=2 attempts=2
        limit.numbered_requests: 2
        ",
    );
}

#[test]
fn the_queue_ends_with_the_first_forward_pass() {
    check(
        "
        1/a | QQQQQQQQQQQQQQQQQQQQ
        1   |       DDDD   DDD
        1   |        DD
        1/b |                       QQQQQQQQQ
        1   |                        DDDDDDD
        ",
        "
        a
          engine.request 0..20 ml.inference.queue_wait_ms=6 ml.inference.forward_pass_ms=7
            engine.forward 6..10
              engine.forward 7..9
            engine.forward 13..16
        b
          engine.request 22..31 ml.inference.queue_wait_ms=1 ml.inference.forward_pass_ms=7
            engine.forward 23..30
        ",
    );
}

#[test]
fn passes_on_threads_that_the_request_created_count() {
    check(
        "
        1/a | QQQQQQQQQQQQQQQQQQQQ
        2<1 |       VVVVVVVVVV
        ",
        "
        a
          engine.request 0..20 ml.inference.queue_wait_ms=6 ml.inference.forward_pass_ms=10
            engine.pass 6..16
        ",
    );
}

#[test]
fn without_evidence_there_is_no_figure() {
    check(
        "
        1/a | QQQQQQQQQQQQ
        1/b |              QQQQQQQQQQ
        1   |                DDD!
        1   |                     DD
        2/b |                DDD
        1/c |                          QQQQQQQQQQQQ
        1   |                           QQQQQQQQQ
        1   |                               DDD
        1/d |                                       QQQQQQQQQ
        1   |                                        DDD~
        1   |                                            DDD
        ",
        "
        a
          engine.request 0..12
        b
          engine.request 13..23 ml.inference.queue_wait_ms=2 ml.inference.forward_pass_ms=6
            engine.forward 15..19 ERROR(cpp_exception)
              * exception 19
            engine.forward 20..22
          engine.forward 15..18
        c
          engine.request 25..37 ml.inference.queue_wait_ms=5 ml.inference.forward_pass_ms=3
            engine.request 26..35
              engine.forward 30..33
        d
          engine.request 38..47
            engine.forward 39..42
            engine.forward 43..46
        ",
    );
}
