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
