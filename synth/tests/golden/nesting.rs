//! Whose child a crossing is.

use hotspan_synth::Limits;

use crate::{Case, check, drawing::MS};

#[test]
fn crossings_nest_as_the_calls_nest() {
    check(
        "
        1/a | SSSSSSSSSSSS  SSS
        1   |  PPP LLLLLL
        1   |        HH
        ",
        "
        a
          cpsat.solve 0..12
            cpsat.presolve 1..4
            cpsat.search 5..11
              highs.run 7..9
          cpsat.solve 14..17
        ",
    );
}

#[test]
fn workers_lie_under_the_solve_that_started_the_chain() {
    let case = Case::showing(&["hotspan.parent.source", "hotspan.workers"]);
    case.check(
        "
        1/a | SSSSSSSSSSSSSSSSSSSS
        2<1 |  WWWWWWWWWWWWWWWW
        2   |     PPP
        3<2 |   WWWWWWWWWWWWWW
        4<3 |    WWWWWWWWWWWW
        5<1 |    WWWWWWWW
        6<5 |     WWWWWWWWW
        7<6 |      WWWWWWWWWW
        8<7 |       WWWWW
        9<8 |        WWWWW
        ",
        "
        a
          cpsat.solve 0..20 parent.source=otel.python workers=8
            cpsat.worker 1..17 parent.source=lineage
              cpsat.presolve 4..7 parent.source=lineage
            cpsat.worker 2..16 parent.source=lineage
            cpsat.worker 3..11 parent.source=lineage
            cpsat.worker 3..15 parent.source=lineage
            cpsat.worker 4..13 parent.source=lineage
            cpsat.worker 5..15 parent.source=lineage
            cpsat.worker 6..11 parent.source=lineage
            cpsat.worker 7..12 parent.source=lineage
        ",
    );
}

#[test]
fn a_child_that_is_delivered_before_its_parent_waits_for_it() {
    check(
        "
        1/a     | SSSSSSSS
        1       |  PPP
        1       |   H
        ",
        "
        a
          cpsat.solve 0..8
            cpsat.presolve 1..4
              highs.run 2..3
        ",
    );
    check(
        "
        1/a late=20 | SSSSSSSS
        1           |  PPP  H
        ",
        "
        a
          cpsat.solve 0..8
            cpsat.presolve 1..4
            highs.run 6..7
        ",
    );
}

#[test]
fn children_of_an_announced_crossing_do_not_wait_for_its_end() {
    let limits = Limits {
        child_wait_ns: 3 * MS,
        ..Limits::default()
    };
    Case {
        limits,
        ..Case::default()
    }
    .check(
        "
        1/a  | SSSSSSSSSSSSSSSSSSSS
        1    |  PPP LLLLLLLLLLLLL
        1    |        HH   H
        open |    S     L
        ",
        "
        a
          cpsat.solve 0..20
            cpsat.presolve 1..4
            cpsat.search 5..18
              highs.run 7..9
              highs.run 12..13
        ",
    );
}

#[test]
fn without_the_enclosing_crossing_children_go_to_the_nearest_ancestor() {
    let limits = Limits {
        child_wait_ns: 3 * MS,
        ..Limits::default()
    };
    let case = Case {
        limits,
        ..Case::default()
    };
    case.check(
        "
        1/a lost | SSSSSSSSSSSS
        1        |  PPP LLLLLL
        1        |        HH
        ",
        "
        a
          cpsat.presolve 1..4
          cpsat.search 5..11
            highs.run 7..9
        enclosing_lost: 2
        ",
    );
    case.check(
        "
        1/a    | SSSSSSSSSSSSSSSS
        1 lost |   LLLLLLLLLLL
        1      |    HH   HH
        open   |  S
        ",
        "
        a
          cpsat.solve 0..16
            highs.run 3..5
            highs.run 8..10
        enclosing_lost: 2
        ",
    );
    case.check(
        "
        1/a late=12 | SSSSS
        1           |  HH
        ",
        "
        a
          cpsat.solve 0..5
          highs.run 1..3
        enclosing_lost: 1
        ",
    );
}

#[test]
fn solutions_become_events_of_the_solve() {
    check(
        "
        1/a | SSSSSSSSSSSSSSSSSSSS
        1   |  E LLLLL
        1   |      E
        2<1 |   WWWWWWWWWWWWW
        2   |     E  E
        3/b |  E
        ",
        "
        a
          cpsat.solve 0..20
            * cpsat.solution 2
            * cpsat.solution 5
            * cpsat.solution 8
            cpsat.worker 2..15
            cpsat.search 3..8
              * cpsat.solution 6
        event_without_span: 1
        ",
    );
    let limits = Limits {
        events_per_span: 2,
        ..Limits::default()
    };
    Case {
        limits,
        ..Case::default()
    }
    .check(
        "
        1/a | SSSSSSSSSSSSSSSSSSSS
        1   |  E E E E E
        ",
        "
        a
          cpsat.solve 0..20
            * cpsat.solution 8
            * cpsat.solution 10
        limit.events_per_span: 3
        ",
    );
}

#[test]
fn an_event_belongs_to_the_nearest_span_of_its_name() {
    check(
        "
        1/a | SSSSSSSSSSSSSSSSSSSS
        1   |  LLLLLLLLLLLLLLLL
        1   |  F  SSSSSSSSS F
        1   |      HHHH
        1   |       F
        2<1 |    WWWWWWWWWWWW
        2   |       F
        4/d | LLLLL
        4   |   F
        ",
        "
        a
          cpsat.solve 0..20
            * cpsat.found 2
            * cpsat.found 7
            * cpsat.found 15
            cpsat.search 1..17
              cpsat.worker 3..15
              cpsat.solve 4..13
                * cpsat.found 7
                highs.run 5..9
        d
          cpsat.search 0..5
        event_without_span: 1
        ",
    );
}

#[test]
fn a_late_event_is_dropped() {
    check(
        "
        1/a       | SSSSSSSS
        1 late=12 |   E
        ",
        "
        a
          cpsat.solve 0..8
        event_without_span: 1
        ",
    );
}

#[test]
fn without_ticks_everything_comes_at_the_end() {
    check(
        "
        tick |               |
        1/a  | SSSSSSSS  SSS
        1    |  PPP LL
        2<1  |   WW
        ",
        "
        a
          cpsat.solve 0..8
            cpsat.presolve 1..4
              cpsat.worker 2..4
            cpsat.search 5..7
          cpsat.solve 10..13
        ",
    );
}

#[test]
fn crossings_that_do_not_count_are_as_if_not_there() {
    check(
        "
        1/a | SSSSSSSSSSSSSSSSSSSS
        1   |         EEEE EE
        1   |          HH
        ",
        "
        a
          cpsat.solve 0..20
            * cpsat.solution 15
            highs.run 9..11
        condition_not_met: 1
        ",
    );
}
