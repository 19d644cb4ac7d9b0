//! What native threads do that descend from a crossing.

use hotspan_synth::Limits;

use crate::{Case, check, drawing::MS};

const WHOSE: &[&str] = &["hotspan.parent.source", "thread.id"];
const SUMS: &[&str] = &["hotspan.workers", "hotspan.workers_cpu_ns"];

#[test]
fn a_workers_functions_lie_beside_each_other_under_the_crossing_that_made_it() {
    Case::showing(WHOSE).check(
        "
        s     = c:start_thread c:run c:work c:sort
        m     = c:start_thread c:run c:work c:merge
        1/a   | SSSSSSSSSSSS
        2<1 @ |  ssssmmmmm
        ",
        "
        a
          cpsat.solve 0..12 parent.source=otel.python thread.id=1
            sort 1..5 parent.source=lineage thread.id=2
            merge 5..10 parent.source=lineage thread.id=2
        ",
    );
}

#[test]
fn where_nothing_lasts_the_function_that_calls_it_is_the_span() {
    check(
        "
        s     = c:start_thread c:run c:work c:sort
        m     = c:start_thread c:run c:work c:merge
        1/a   | SSSSSSSSSSSS
        2<1 @ |  smsmsmsm
        ",
        "
        a
          cpsat.solve 0..12
            work 1..9
        ",
    );
}

#[test]
fn what_a_worker_does_besides_is_named_after_what_it_lies_beside() {
    check(
        "
        s     = c:start_thread c:work c:sort
        w     = c:start_thread c:work
        m     = c:start_thread c:work c:merge
        1/a   | SSSSSSSSSSSS
        2<1 @ |  sssswwmww
        ",
        "
        a
          cpsat.solve 0..12
            sort 1..5
            work.after_sort 5..10
        ",
    );
}

#[test]
fn a_workers_own_crossing_holds_its_functions() {
    Case::showing(&["hotspan.workers"]).check(
        "
        s     = c:start_thread c:W c:sort
        m     = c:start_thread c:W c:merge
        1/a   | SSSSSSSSSSSS
        2<1   |  WWWWWWWWW
        2<1 @ |  ssssmmmmm
        ",
        "
        a
          cpsat.solve 0..12 workers=1
            cpsat.worker 1..10
              sort 1..5
              merge 5..10
        ",
    );
}

#[test]
fn workers_take_none_of_the_handlers_time() {
    check(
        "
        w     = c:start_thread c:work
        h     = fw:run handler
        g     = fw:run handler build
        1/a @ | ggggg       hhhhh
        1/a   |      SSSSSSS
        2<1 @ |      wwwwww
        ",
        "
        a
          build 0..5
          cpsat.solve 5..12
            work 5..11
          handler 12..17
        ",
    );
}

#[test]
fn of_more_workers_than_a_parent_may_have_the_rest_is_summed_by_what_it_did() {
    Case {
        limits: Limits {
            workers_per_parent: 1,
            child_wait_ns: 100 * MS,
            ..Limits::default()
        },
        shown: SUMS,
        ..Case::default()
    }
    .check(
        "
        w     = c:start_thread c:work
        o     = c:start_thread c:other
        1/a   | SSSSSSSSSSSS
        2<1 @ |  wwwwwwwwww
        3<1 @ |   wwwwwwww
        4<1 @ |    wwwwwwww
        5<1 @ |    ooooooo
        ",
        "
        a
          cpsat.solve 0..12
            work 1..11
            work 2..11 workers=2 workers_cpu_ns=16000000
            other 3..10 workers=1 workers_cpu_ns=7000000
        ",
    );
}

#[test]
fn a_stack_that_does_not_reach_a_workers_start_names_nothing() {
    check(
        "
        w       = c:work c:inner
        1/a     | SSSSSSSSSSSS
        2<1 cut |  wwwwwwwwww
        ",
        "
        a
          cpsat.solve 0..12
        ",
    );
}

#[test]
fn runtimes_and_glue_name_no_worker() {
    check(
        "
        w     = c:start_thread c:std::thread::run c:work c:std::sort
        1/a   | SSSSSSSSSSSS
        2<1 @ |  wwwwwwwwww
        ",
        "
        a
          cpsat.solve 0..12
            work 1..11
        ",
    );
}

#[test]
fn a_thread_that_a_request_made_and_that_ended_is_the_requests() {
    check(
        "
        h         = fw:run handler join
        w         = c:start_thread c:work
        1/a @     | hhhhhhhhhhhh
        2<1/a @   |   wwwwwww
        2<1 lived |  tttttttttt
        ",
        "
        a
          join 0..12
          work 1..11
        ",
    );
}

#[test]
fn one_that_lives_on_is_not() {
    check(
        "
        h       = fw:run handler join
        w       = c:start_thread c:work
        1/a @   | hhhhhhhhhhhh
        2<1/a @ |   wwwwwww
        ",
        "
        a
          join 0..12
        ",
    );
}

#[test]
fn one_that_only_ever_calls_the_same_goes_by_its_outermost_function() {
    check(
        "
        l     = c:start_thread c:work c:spin c:look
        s     = c:start_thread c:work c:spin
        1/a   | SSSSSSSSSSSSSSSSSSSS
        2<1 @ |  lslll      lllllll
        ",
        "
        a
          cpsat.solve 0..20
            work 1..6
            work 12..19
        ",
    );
}

#[test]
fn where_functions_part_is_seen_beyond_holes() {
    check(
        "
        s     = c:start_thread c:work c:sort c:look
        m     = c:start_thread c:work c:merge c:look
        1/a   | SSSSSSSSSSSSSSSSSSSS
        2<1 @ |  sssss      mmmmmmm
        ",
        "
        a
          cpsat.solve 0..20
            sort 1..6
            merge 12..19
        ",
    );
}

#[test]
fn a_thread_that_only_lost_the_cpu_goes_on() {
    check(
        "
        s          = c:start_thread c:work c:sort c:look
        m          = c:start_thread c:work c:merge c:look
        1/a        | SSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSS
        2<1 queued |  s       s     m         m
        ",
        "
        a
          cpsat.solve 0..32
            sort 1..12.500000
            merge 12.500000..26
        ",
    );
}

#[test]
fn one_that_waited_for_a_cpu_first_and_last_began_and_ended_with_its_function() {
    check(
        "
        h            = fw:run handler join
        w            = c:start_thread c:work
        1/a @        | hhhhhhhhhhhhhhhhhhhhhhhh
        2<1/a queued |            w       w
        2<1 lived    |   tttttttttttttttttt
        ",
        "
        a
          join 0..24
          work 2..20
        ",
    );
}

#[test]
fn a_function_without_a_name_names_no_stretch_of_its_own() {
    check(
        "
        n     = <lambda>
        l     = load
        1/a   | SSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSS
        2<1 @ |  nnn       llllllllllllllllllllllllllllllll
        ",
        "
        a
          cpsat.solve 0..46
            load 11..43
        ",
    );
}
