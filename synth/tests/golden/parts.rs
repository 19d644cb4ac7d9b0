//! Requests whose spans are made before all of their evidence has come: in parts, or too early.

use crate::{Case, check, drawing::MS};

#[test]
fn samples_that_come_after_the_spans_were_made_are_counted() {
    check(
        "
        h             = fw:run handler
        1/a @         | hhhhhhhh
        1/a @ late=50 |         h
        1/a @ late=60 |    h
        1/b @         |                                                              h
        ",
        "
        a
          handler 0..8
        ",
    );
}

#[test]
fn a_request_that_goes_on_for_long_is_made_in_parts() {
    let mut case = Case::showing(&["hotspan.continued"]);
    case.inference.longest_ns = 10 * MS;
    case.check(
        "
        h     = fw:run handler
        1/a @ | hhhhhhhhhhhhhhhhhhhh
        tick  |            |
        ",
        "
        a
          handler 0..11.500001
          handler 12..20 continued=true
        ",
    );
}

#[test]
fn a_later_part_of_a_request_reaches_across_no_crossing_of_an_earlier() {
    let mut case = Case::default();
    case.inference.requests = 1;
    case.check(
        "
        h       = fw:run handler
        p       = fw:run handler lib:solve c:S c:presolve
        q       = fw:run handler lib:solve c:S c:search
        1/a     | SSSSSSSSSSSSSSSSSSSSS
        1       |   HHHH
        1/a @10 |              p p q q
        2/b @   |           hhhhhhhhhhhhhhh
        open    |  S
        tick    |           |
        ",
        "
        a
          cpsat.solve 0..21
            highs.run 2..6
            presolve 8.500000..16.500000
            search 16.500000..21
        b
          handler 10..25
        ",
    );
}

#[test]
fn a_part_of_a_request_ends_where_a_crossing_began_that_has_not_ended() {
    let mut case = Case::default();
    case.inference.requests = 1;
    case.check(
        "
        h       = fw:run handler
        1/a     |         SSSSSSSSSSSS
        1/a @10 |     h h
        2/a @   |        hhhhhhh
        3/b @   |              hhhhhhhhh
        open    |            S
        tick    |               |
        ",
        "
        a
          handler 0..8
          handler 7..13.500001
          cpsat.solve 8..20
        b
          handler 13..22
        ",
    );
}
