//! Waits and what they show.

use hotspan_synth::settings::Inference;

use crate::{Case, check, drawing::MS};

#[test]
fn awaits_between_work_on_the_loop() {
    check(
        "
        w             = fw:run handler asyncio:sleep
        s             = fw:loop fw:step fw:run handler score
        1/a suspended | wwwwwwww        wwww
        1/a @         |         ssssssss
        ",
        "
        a
          handler 0..20
            wait.sleep 0..8
            score 8..16
            wait.sleep 16..20
        ",
    );
}

#[test]
fn an_await_on_a_thread_says_so() {
    check(
        "
        w             = fw:run handler threads:to_thread
        b             = thread:run handler_in_thread build
        1/a suspended | wwwwwwwwwwwwwwww
        2/a @         |   bbbbbbbbbbbb
        ",
        "
        a
          wait.thread 0..16
          build 2..14
        ",
    );
}

#[test]
fn what_the_kernel_counts_as_a_wait_for_a_disk_is_io() {
    check(
        "
        h                   = fw:run handler
        1/a fault:disk      |   hhh
        1/a mmap:disk       |        hhh
        1/a futex:disk      |             hhh
        1/a mmap            |                  hhh
        1/a @               | hh   hh   hh   hh   h
        ",
        "
        a
          handler 0..21
            handler.before_wait.io 0..2
            wait.io 2..5
            handler.after_wait.io 5..7
            wait.io 7..10
            handler.after_wait.io 10..12
            wait.lock 12..15
            handler.after_wait.lock 15..17
            wait.unknown 17..20
            handler.after_wait.unknown 20..21
        ",
    );
}

#[test]
fn causes_are_what_the_evidence_shows() {
    check(
        "
        h                   = fw:run handler
        r                   = fw:run handler lib:get c:recv
        1/a futex           |   hhh
        1/a gil             |        hhh
        1/a recvfrom        |             rrr
        1/a idle            |                  hhh
        1/a clock_nanosleep |                       hhh
        1/a wait4           |                            hhh
        1/a fault           |                                 hhh
        1/a runqueue        |                                      hhh
        1/a ioctl           |                                           hhh
        1/a @               | hh   hh   hh   hh   hh   hh   hh   hh   hh   h
        ",
        "
        a
          handler 0..46
            handler.before_wait.lock 0..2
            wait.lock 2..5
            handler.after_wait.lock 5..7
            wait.gil 7..10
            handler.after_wait.gil 10..12
            wait.io 12..15
            handler.after_wait.io 15..17
            wait.sleep 17..20
            handler.after_wait.sleep 20..22
            wait.sleep 22..25
            handler.after_wait.sleep 25..27
            wait.child 27..30
            handler.after_wait.child 30..32
            wait.unknown 32..35
            handler.after_wait.unknown 35..37
            wait.runqueue 37..40
            handler.after_wait.runqueue 40..42
            wait.unknown 42..45
            handler.after_wait.unknown 45..46
        ",
    );
}

#[test]
fn a_framework_that_goes_on_with_a_task_does_not_call_it_again() {
    check(
        "
        w             = fw:run handler asyncio:sleep
        f             = fw:loop fw:step fw:run
        s             = fw:loop fw:step fw:run handler score
        1/a suspended | wwwwwwww         wwww
        1/a @         |         fssssssss
        ",
        "
        a
          wait.sleep 0..8
          handler 9..21
            score 9..17
            wait.sleep 17..21
        ",
    );
}

#[test]
fn a_function_that_only_waits_is_its_wait() {
    check(
        "
        s                   = fw:run send_report c:time_sleep
        1/a clock_nanosleep | ssssssssss
        ",
        "
        a
          wait.sleep 0..10
        ",
    );
}

#[test]
fn a_wait_inside_a_region_hangs_under_it() {
    check(
        "
        p         = fw:run handler lib:solve c:S c:wait
        w         = fw:run handler lib:solve c:S c:work
        1/a       | SSSSSSSSSS
        1/a @     | ww      ww
        1/a futex |   pppppp
        ",
        "
        a
          cpsat.solve 0..10
            cpsat.solve.before_wait.lock 0..2
            wait.lock 2..8
            cpsat.solve.after_wait.lock 8..10
        ",
    );
}

#[test]
fn what_awaits_a_handler_is_no_wait_and_bounds_it() {
    check(
        "
        f             = fw:run fw:run_in_threadpool
        h             = fw:run handler
        1/a suspended | ffffffffff
        2/a @         |  hhhhhhhh
        ",
        "
        a
          handler 0..10
        ",
    );
}

#[test]
fn the_handlers_bounds_are_as_uncertain_as_its_samples_are_far() {
    crate::Case::showing(&["hotspan.error_ns"]).check(
        "
        f             = fw:run fw:run_in_threadpool
        h             = fw:run handler
        1/a suspended | ffffffffffffffffffff
        2/a @4        |   h   h   h   h
        ",
        "
        a
          handler 0..20 error_ns=5505000
        ",
    );
}

#[test]
fn work_is_handed_over_no_earlier_than_its_request_begins() {
    Case {
        inference: Inference {
            hole_ns: 30 * MS,
            ..Case::default().inference
        },
        ..Case::showing(&["hotspan.error_ns"])
    }
    .check(
        "
        l             = fw:loop fw:run
        f             = fw:run fw:run_in_threadpool
        h             = fw:run handler
        span          | a
        1/a @         |  l
        1/a suspended |   ffffffffff
        2/a @         |   hhhhhhhhhh
        ",
        "
        a
          handler 2..12 error_ns=2005000
        ",
    );
}

#[test]
fn between_waits_the_function_around_them_ran() {
    crate::Case {
        inference: Inference {
            hole_ns: 5 * MS,
            ..crate::Case::default().inference
        },
        ..crate::Case::default()
    }
    .check(
        "
        h            = fw:run handler c:f
        g            = fw:run handler c:g
        1/a @        | h
        1/a runqueue |  hhhhh   gggggg    hhhhh
        ",
        "
        a
          handler 0..24
            handler.before_wait.runqueue 0..1
            wait.runqueue 1..6
            handler.after_wait.runqueue 6..9
            wait.runqueue 9..15
            handler.after_wait.runqueue 15..19
            wait.runqueue 19..24
        ",
    );
}

#[test]
fn requests_that_interleave_on_one_loop_have_their_own_spans() {
    check(
        "
        s             = fw:run handler asyncio:sleep
        c             = fw:run handler score
        1/a suspended |     ssssssss
        1/b suspended | ssss    ssss
        1/a @         | cccc        cccc
        1/b @         |     cccc    
        ",
        "
        a
          handler 0..16
            score 0..4
            wait.sleep 4..12
            score 12..16
        b
          handler 0..12
            wait.sleep 0..4
            score 4..8
            wait.sleep 8..12
        ",
    );
}

#[test]
fn brief_contention_is_summed_where_it_is_rare() {
    crate::Case::showing(&["hotspan.runqueue_ns"]).check(
        "
        h            = fw:run handler
        1/a @        | hhhhhhhhhh hhhhhhhhhhh
        1/a runqueue |           h
        ",
        "
        a
          handler 0..22 runqueue_ns=1000000
        ",
    );
}

/// With more work than CPUs, a thread waits after each of its time slices.
#[test]
fn time_slices_do_not_cut_a_function_in_pieces() {
    crate::Case::showing(&["hotspan.runqueue_ns"]).check(
        "
        h            = fw:run handler
        1/a @        | hhhh  hhhh  hhhh  hhhh  hhhh  hhhh  hhhh  hhhh  hhhh  hhhh  hhhh
        1/a runqueue |     hh    hh    hh    hh    hh    hh    hh    hh    hh    hh
        2/b @        | hhhh      hhhh      hhhh
        2/b runqueue |     hhhhhh    hhhhhh
        ",
        "
        a
          handler 0..64 runqueue_ns=20000000
        b
          handler 0..24
            handler.before_wait.runqueue 0..4
            wait.runqueue 4..10
            handler.after_wait.runqueue 10..14
            wait.runqueue 14..20
            handler.after_wait.runqueue 20..24
        ",
    );
}

#[test]
fn a_function_that_is_first_seen_waiting_began_before_that() {
    Case::showing(&["hotspan.error_ns"]).check(
        "
        l         = fw:run handler load
        c         = fw:run handler compute
        1/a @     | lllll     ccccc
        1/a read  |       ccc
        ",
        "
        a
          handler 0..15 error_ns=1005000
            load 0..6 error_ns=1505000
            compute 6..15 error_ns=1505000
              wait.io 6..9 error_ns=5000
              compute.after_wait.io 9..15 error_ns=1505000
        ",
    );
}

/// A thread that loses the CPU goes on where it was.
#[test]
fn a_wait_for_a_cpu_shows_what_ran_before_it_and_after_it() {
    Case::showing(&["hotspan.error_ns"]).check(
        "
        f             = fw:run fw:run_in_threadpool
        h             = fw:run handler
        1/a suspended | ffffffffffffffffffffff
        2/a @         |     hhhhhhhhhhh
        2/a runqueue  |  hh            hhhh
        span          | a
        ",
        "
        a
          handler 0..22 error_ns=3005000
            handler.before_wait.runqueue 0..1 error_ns=1005000
            wait.runqueue 1..3 error_ns=5000
            handler.after_wait.runqueue 3..15 error_ns=5000
            wait.runqueue 15..19 error_ns=5000
            handler.after_wait.runqueue 19..22 error_ns=3005000
        ",
    );
}

/// What another wait shows is where the work ended, not what was done until then.
#[test]
fn any_other_wait_shows_nothing_beside_itself() {
    check(
        "
        f             = fw:run fw:run_in_threadpool
        h             = fw:run handler
        1/a suspended | ffffffffffffffffffffff
        2/a @         |     hhhhhhhhhhh
        2/a read      |  hh            hhhh
        ",
        "
        a
          handler 1..19
            wait.io 1..3
            handler.after_wait.io 3..15
            wait.io 15..19
        ",
    );
}

#[test]
fn a_wait_for_a_cpu_tells_where_one_function_gave_way_to_the_next() {
    Case::showing(&["hotspan.error_ns"]).check(
        "
        l            = fw:run handler load
        c            = fw:run handler compute
        1/a @        | llllllllllll      cccccccccccc
        1/a runqueue |              ccc
        ",
        "
        a
          handler 0..30 error_ns=1005000
            load 0..12.250000 error_ns=1505000
            compute 12.250000..30 error_ns=1505000
              wait.runqueue 13..16 error_ns=5000
              compute.after_wait.runqueue 16..30 error_ns=1005000
        ",
    );
}

#[test]
fn waits_for_the_interpreters_lock_in_two_functions_are_two() {
    Case::showing(&["hotspan.error_ns"]).check(
        "
        l       = fw:run handler load
        c       = fw:run handler compute
        1/a @   | lllll                ccccc
        1/a gil |      llllllllcccccccc
        ",
        "
        a
          handler 0..26 error_ns=1005000
            load 0..13 error_ns=1005000
              load.before_wait.gil 0..5 error_ns=1005000
              wait.gil 5..13 error_ns=5000
            compute 13..26 error_ns=1005000
              wait.gil 13..21 error_ns=5000
              compute.after_wait.gil 21..26 error_ns=1005000
        ",
    );
}
