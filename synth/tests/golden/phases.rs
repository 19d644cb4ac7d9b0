//! What comes before regions and after them, with samples and without.

use crate::{Case, check};

const SIDES: &[&str] = &["hotspan.origin", "hotspan.error_ns", "code.line.number"];

#[test]
fn a_request_that_no_sample_hits_has_its_phases_by_its_regions_caller() {
    Case::showing(SIDES).check(
        "
        e         = fw:run handler:12 lib:solve c:SolveCpModel
        f         = fw:run handler:19 lib:solve c:SolveCpModel
        span      | a
        1/a       |  SS HH
        1/a entry |  e  f
        ",
        "
        a
          handler.before_cpsat.solve 0..1 origin=gap error_ns=1005000 code.line.number=12
          cpsat.solve 1..3 origin=probe error_ns=5000
          handler.before_highs.run 3..4 origin=gap error_ns=5000 code.line.number=19
          highs.run 4..6 origin=probe error_ns=5000
        ",
    );
}

#[test]
fn the_time_of_a_region_beside_those_in_it_is_its_own() {
    Case::showing(SIDES).check(
        "
        e         = fw:run handler:12 lib:solve c:SolveCpModel
        span      | a
        1/a       | SSSSSSSSSSSSS
        1         |  PPP    LLL
        1/a entry | e
        ",
        "
        a
          cpsat.solve 0..13 origin=probe error_ns=5000
            cpsat.solve.before_cpsat.presolve 0..1 origin=gap error_ns=5000
            cpsat.presolve 1..4 origin=probe error_ns=5000
            cpsat.solve.before_cpsat.search 4..8 origin=gap error_ns=5000
            cpsat.search 8..11 origin=probe error_ns=5000
            cpsat.solve.after_cpsat.search 11..13 origin=gap error_ns=5000
        ",
    );
}

#[test]
fn what_nothing_was_seen_of_is_named_after_the_function_that_held_all_of_it() {
    check(
        "
        e         = fw:run handler service:7 solve_one:3 c:SolveCpModel
        f         = fw:run handler service:7 solve_two:3 c:SolveCpModel
        span      | a
        1/a       |   SS   HH
        1/a entry |   e    f
        ",
        "
        a
          handler.before_cpsat.solve 0..2
          cpsat.solve 2..4
          service.before_highs.run 4..7
          highs.run 7..9
        ",
    );
}

#[test]
fn phases_are_named_after_who_works_there() {
    Case::showing(SIDES).check(
        "
        b         = fw:run handler:10 build:31 create lib:add
        e         = fw:run handler:12 lib:solve c:SolveCpModel
        r         = fw:run handler:14 report:52
        span      | a
        1/a       |      SSSSSS
        1/a @     | bbbbb      rrrr
        1/a entry |      e
        ",
        "
        a
          build 0..5 origin=gap error_ns=505000 code.line.number=31
          cpsat.solve 5..11 origin=probe error_ns=5000
          report 11..15 origin=gap error_ns=1005000 code.line.number=52
        ",
    );
}

#[test]
fn one_function_that_holds_all_is_named_before_and_after() {
    check(
        "
        h         = fw:run handler lib:add
        e         = fw:run handler lib:solve c:SolveCpModel
        1/a       |     SSSSSS
        1/a @     | hhhh      hh
        1/a entry |     e
        ",
        "
        a
          handler.before_cpsat.solve 0..4
          cpsat.solve 4..10
          handler.after_cpsat.solve 10..12
        ",
    );
}

#[test]
fn several_functions_before_a_region_are_several_spans() {
    check(
        "
        l         = fw:run handler load
        x         = fw:run handler
        b         = fw:run handler build
        e         = fw:run handler lib:solve
        1/a       |             SSSSSS
        1/a @     | llllxxxbbbbb
        1/a entry |             e
        ",
        "
        a
          load 0..4
          handler.before_build 4..7
          build 7..12
          cpsat.solve 12..18
        ",
    );
}

#[test]
fn a_function_that_ended_before_a_region_began_is_known_to_its_last_stack() {
    Case::showing(SIDES).check(
        "
        b         = fw:run handler:10 build:31 create lib:add
        e         = fw:run handler:12 lib:solve c:SolveCpModel
        r         = fw:run handler:14 report:52
        span      | a
        1/a       |        SSSSSS
        1/a @     | bbbbb          rrrr
        1/a entry |        e
        ",
        "
        a
          build 0..7 origin=gap error_ns=2505000 code.line.number=31
          cpsat.solve 7..13 origin=probe error_ns=5000
          report 13..19 origin=gap error_ns=2505000 code.line.number=52
        ",
    );
}

#[test]
fn what_holds_a_region_is_beside_it_to_the_instant() {
    Case::showing(SIDES).check(
        "
        h         = fw:run handler:10 lib:add
        e         = fw:run handler:12 lib:solve c:SolveCpModel
        1/a       |      SSSSSS  SSSSSS
        1/a @     |  hhh       hh       h
        1/a entry |      e       e
        ",
        "
        a
          handler.before_cpsat.solve 1..5 origin=gap error_ns=1005000 code.line.number=10
          cpsat.solve 5..11 origin=probe error_ns=5000
          handler.before_cpsat.solve 11..13 origin=gap error_ns=5000 code.line.number=10
          cpsat.solve 13..19 origin=probe error_ns=5000
          handler.after_cpsat.solve 19..21 origin=gap error_ns=1005000 code.line.number=10
        ",
    );
}

#[test]
fn a_thread_that_waited_for_work_began_when_it_went_on() {
    Case::showing(SIDES).check(
        "
        e         = fw:run handler:12 lib:solve c:SolveCpModel
        woke      |  ||  |
        1/a       |     SSSSSS
        1/a entry |     e
        ",
        "
        a
          handler.before_cpsat.solve 2..4 origin=gap error_ns=2005000 code.line.number=12
          cpsat.solve 4..10 origin=probe error_ns=5000
        ",
    );
}

#[test]
fn a_thread_that_served_another_since_it_waited_did_not() {
    check(
        "
        h         = fw:run handler
        e         = fw:run handler:12 lib:solve c:SolveCpModel
        woke      | |
        1/b @     | h
        1/a       |   SSSSSS
        1/a entry |   e
        ",
        "
        a
          cpsat.solve 2..8
        ",
    );
}

#[test]
fn a_task_may_have_handed_its_work_over_before_it_waited() {
    Case::showing(SIDES).check(
        "
        w             = fw:run
        e             = fw:run handler:12 lib:solve c:SolveCpModel
        span          | a
        2/a suspended |    wwwwwwwwww
        1/a           |     SSSSSS
        1/a entry     |     e
        ",
        "
        a
          handler.before_cpsat.solve 3..4 origin=gap error_ns=3005000 code.line.number=12
          cpsat.solve 4..10 origin=probe error_ns=5000
          handler.after_cpsat.solve 10..13 origin=gap error_ns=3005000 code.line.number=12
        ",
    );
}
