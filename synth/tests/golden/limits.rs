//! What limits do.

use hotspan_synth::Limits;

use crate::{Case, drawing::MS};

#[test]
fn workers_beyond_the_limit_are_summed_on_the_parent() {
    let limits = Limits {
        workers_per_parent: 2,
        child_wait_ns: 100 * MS,
        ..Limits::default()
    };
    let shown = &[
        "hotspan.workers",
        "hotspan.workers.summed",
        "hotspan.workers.summed_ns",
    ];
    Case {
        limits,
        shown,
        ..Case::default()
    }
    .check(
        "
        1/a | SSSSSSSSSSSSSSSSSSSS
        2<1 |  WWWWWWWWWWWWWWWW
        3<2 |   WWWWWWWWWWWWWW
        4<3 |    WWWWWWWWWWWW
        4   |      PP  E
        5<4 |     WWWW
        ",
        "
        a
          cpsat.solve 0..20 workers=4 workers.summed=2 workers.summed_ns=16000000
            * cpsat.solution 10
            cpsat.worker 1..17
            cpsat.worker 2..16
        in_summed_worker: 1
        limit.workers_per_parent: 2
        ",
    );
}

#[test]
fn limits_are_met_from_the_inside() {
    let drawing = "
        1/a | SSSSSSSSSSSSSSSS
        1   |  LLLLLLLL PPP
        1   |   HH  HH
        ";
    let case = |limits| Case {
        limits,
        ..Case::default()
    };
    case(Limits {
        spans_per_trace: 2,
        ..Limits::default()
    })
    .check(
        drawing,
        "
        a
          cpsat.solve 0..16
            cpsat.search 1..9
        limit.spans_per_trace: 3
        ",
    );
    case(Limits {
        spans_per_second: 3,
        ..Limits::default()
    })
    .check(
        drawing,
        "
        a
          cpsat.solve 0..16
            cpsat.search 1..9
              highs.run 2..4
        limit.spans_per_second: 2
        ",
    );
    case(Limits {
        depth: 2,
        ..Limits::default()
    })
    .check(
        drawing,
        "
        a
          cpsat.solve 0..16
            cpsat.search 1..9
            cpsat.presolve 10..13
        limit.depth: 2
        ",
    );
    case(Limits {
        depth: 0,
        ..Limits::default()
    })
    .check(
        drawing,
        "
        limit.depth: 5
        ",
    );
    case(Limits {
        waiting_crossings: 2,
        ..Limits::default()
    })
    .check(
        drawing,
        "
        a
          cpsat.solve 0..16
          cpsat.search 1..9
          highs.run 2..4
          highs.run 6..8
          cpsat.presolve 10..13
        limit.waiting_crossings: 4
        ",
    );
}

#[test]
fn too_many_open_crossings_are_closed() {
    let limits = Limits {
        open_crossings: 1,
        ..Limits::default()
    };
    Case {
        limits,
        shown: &["hotspan.exit"],
        ..Case::default()
    }
    .check(
        "
        1/a  | SSSSSSSSSS
        2/b  |  LLLLLLLLLL
        2    |       H
        open |  S  L
        ",
        "
        a
          cpsat.solve 0..1.250000 exit=detached
        b
          cpsat.search 1..11
            highs.run 6..7
        duplicate_crossing: 1
        limit.open_crossings: 1
        ",
    );
}

#[test]
fn limits_bound_the_spans_of_a_request() {
    let limits = |spans_per_request, depth| {
        let mut case = Case::default();
        case.inference.spans_per_request = spans_per_request;
        case.inference.depth = depth;
        case
    };
    let drawing = "
        l     = fw:run handler load
        b     = fw:run handler build
        1/a @ | llllbbbb
        ";
    limits(2, 8).check(
        drawing,
        "
        a
          handler 0..8
            load 0..4
        ",
    );
    limits(9, 1).check(
        drawing,
        "
        a
          handler 0..8
        ",
    );
}

#[test]
fn of_too_many_spans_the_longest_stay() {
    let mut case = Case::showing(&["hotspan.left_out"]);
    case.inference.spans_per_request = 3;
    case.check(
        "
        l     = fw:run handler load
        b     = fw:run handler build
        c     = fw:run handler check
        1/a @ | lllbbbbbbcccc
        ",
        "
        a
          handler 0..13 left_out=1
            build 3..9
            check 9..13
        ",
    );
}
