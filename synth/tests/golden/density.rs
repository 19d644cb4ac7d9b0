//! Stacks that are not equally far apart: each says its own distances.

use crate::{Case, check};

const ERROR: &[&str] = &["hotspan.error_ns"];

fn check_errors(drawing: &str, expected: &str) {
    Case::showing(ERROR).check(drawing, expected);
}

#[test]
fn the_last_of_a_dense_run_reaches_as_far_as_the_gap_behind_it() {
    check_errors(
        "
        b        = fw:run build
        1/a @1>5 | bbbb
        ",
        "
        a
          build 0..6 error_ns=5005000
        ",
    );
}

#[test]
fn a_side_in_a_sparse_gap_is_as_uncertain_as_that_is_long() {
    check_errors(
        "
        b        = fw:run handler build
        c        = fw:run handler check
        1/a @1>5 | bbbbb    c    c    c
        ",
        "
        a
          handler 0..22 error_ns=5005000
            build 0..7 error_ns=5005000
            check 7..22 error_ns=5005000
        ",
    );
}

#[test]
fn brief_functions_are_spans_where_stacks_are_dense() {
    check(
        "
        b        = fw:run handler build
        c        = fw:run handler check
        1/a @1>1 | bbbbcccc
        ",
        "
        a
          handler 0..8
            build 0..4
            check 4..8
        ",
    );
}

#[test]
fn what_lies_between_two_dense_calls_for_less_than_a_span_is_a_loops() {
    check(
        "
        b        = fw:run handler build
        h        = fw:run handler
        1/a @1>1 | bbbbhhbbbb
        ",
        "
        a
          handler 0..10
        ",
    );
}

#[test]
fn where_one_function_gives_way_to_another_is_known_to_a_tick() {
    check_errors(
        "
        b                    = fw:run handler build
        c                    = fw:run handler check
        1/a @5 changed=11,24 | b    b    b  c    c    c  b    b
        ",
        "
        a
          handler 0..34 error_ns=5005000
            build 0..12 error_ns=5005000
            check 12..25 error_ns=1005000
            build 25..34 error_ns=5005000
        ",
    );
}

#[test]
fn what_a_function_has_called_may_have_ended_before_it_did() {
    check_errors(
        "
        b                   = fw:run handler build
        c                   = fw:run handler check
        d                   = fw:run handler check deep
        1/a @5 changed=7,27 | b    b    c    d    d    d    b    b
        ",
        "
        a
          handler 0..38 error_ns=5005000
            build 0..8 error_ns=5005000
            check 8..28 error_ns=1005000
              check.before_deep 8..13 error_ns=5005000
              deep 13..28 error_ns=5005000
            build 28..38 error_ns=5005000
        ",
    );
}
