//! Which parent is named.

use crate::{Case, check};

#[test]
fn unsampled_parents_get_no_children() {
    check(
        "
        1/a- | SSSSSSSS
        1    |  PPP LL
        2<1  |   WW
        2/b  |      H
        ",
        "
        b
          highs.run 5..6
        unattributed cpsat.presolve unsampled: 1, 3 ms
        unattributed cpsat.search unsampled: 1, 2 ms
        unattributed cpsat.solve unsampled: 1, 8 ms
        unattributed cpsat.worker unsampled: 1, 2 ms
        ",
    );
}

#[test]
fn work_without_a_parent_is_counted_and_not_emitted() {
    check(
        "
        1/- | SSSSSSSS  SSS
        1   |  PPP LL
        1/a |        H
        ",
        "
        a
          highs.run 7..8
        unattributed cpsat.presolve no_active_span: 1, 3 ms
        unattributed cpsat.search no_active_span: 1, 2 ms
        unattributed cpsat.solve no_active_span: 2, 11 ms
        ",
    );
}

#[test]
fn work_without_a_parent_on_the_first_thread_is_told_from_others() {
    check(
        "
        1/- | SSS   SSS
        2/- |  SSSS
        3/- |  HHHH
        ",
        "
        unattributed cpsat.solve no_active_span (2 on the first thread): 3, 10 ms
        unattributed highs.run no_active_span: 1, 4 ms
        ",
    );
}

#[test]
fn a_remote_parent_is_named_and_said_to_be_remote() {
    let case = Case::showing(&["hotspan.parent.remote"]);
    case.check(
        "
        1/a^ | SSSS
        1/b  |      HH
        ",
        "
        a
          cpsat.solve 0..4 parent.remote=true
        b
          highs.run 5..7
        ",
    );
}

#[test]
fn requests_that_interleave_on_one_thread_stay_apart() {
    check(
        "
        1/a | SSSS    SSSS
        1/b |     SSS     SS
        1   |  PP       P
        1   |      P      
        ",
        "
        a
          cpsat.solve 0..4
            cpsat.presolve 1..3
          cpsat.solve 8..12
            cpsat.presolve 10..11
        b
          cpsat.solve 4..7
            cpsat.presolve 5..6
          cpsat.solve 12..14
        ",
    );
}

#[test]
fn another_active_span_inside_of_a_crossing_is_the_parent() {
    check(
        "
        1/a | SSSSSSSSSSSS
        1/A |   HHHH
        1   |    P
        1/a |         HH
        ",
        "
        A
          highs.run 2..6
            cpsat.presolve 3..4
        a
          cpsat.solve 0..12
            highs.run 8..10
        ",
    );
}

#[test]
fn targets_do_not_mix() {
    check(
        "
        1/a   | SSSSSSSS
        7:1/a |  SSSSSSSSS
        1     |  PPP
        7:1   |   LL
        ",
        "
        a
          cpsat.solve 0..8
            cpsat.presolve 1..4
        7:a
          cpsat.solve 1..10
            cpsat.search 2..4
        ",
    );
}

#[test]
fn engines_of_a_process_without_requests_begin_traces() {
    let case = Case::showing(&["hotspan.parent.source", "hotspan.attempt"]);
    case.check(
        "
        9:1/-  | SSSSSSSS     SSS
        9:1    |  PPP LL
        9:2<1  |   WW
        9:3/-  | PP
        9:4/-  |      DDD
        9:4    |       H
        ",
        "
        9:-
          engine.forward 5..8 parent.source=none
            highs.run 6..7 parent.source=none
        9:-
          cpsat.solve 13..16 parent.source=none
        9:-
          cpsat.solve 0..8 parent.source=none
            cpsat.presolve 1..4 parent.source=none
              cpsat.worker 2..4 parent.source=none
            cpsat.search 5..7 parent.source=none
        unattributed cpsat.presolve no_active_span: 1, 2 ms
        ",
    );
}

#[test]
fn they_begin_none_once_a_span_was_active() {
    check(
        "
        9:1/-  | SSS
        9:2/a^ |     SSS
        9:3/-  |         SS
        9:4/b- |              HH
        ",
        "
        9:-
          cpsat.solve 0..3
        9:a
          cpsat.solve 4..7
        unattributed cpsat.solve no_active_span: 1, 2 ms
        unattributed highs.run unsampled: 1, 2 ms
        ",
    );
}
