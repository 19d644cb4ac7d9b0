//! Stacks without callers: cut ones, and those of waits, which are where a native thread stopped.

use crate::{Case, check};

#[test]
fn waits_without_callers_break_no_call_in_pieces() {
    check(
        "
        s            = c:main c:work
        f            = c:main c:work libc:fork libc:_Fork
        w            = c:work
        k            = libc:_Fork
        c            = libc:wait4
        1/a @        | f    s     s     s     s     f
        1/a runqueue |  kkk   www   www   www
        1/a wait4    |                          ccc
        ",
        "
        a
          work 0..30
            work.before_wait.runqueue 0..1
            wait.runqueue 1..4
            work.after_wait.runqueue 4..7
            wait.runqueue 7..10
            work.after_wait.runqueue 10..13
            wait.runqueue 13..16
            work.after_wait.runqueue 16..19
            wait.runqueue 19..22
            work.after_wait.runqueue 22..25
            wait.child 25..28
            work.after_wait.child 28..30
        ",
    );
}

#[test]
fn a_wait_lies_below_the_callers_that_samples_show() {
    check(
        "
        s            = c:main c:outer c:inner c:solve
        i            = c:inner
        v            = c:solve
        1/a @        | ssss  ssss   ssss
        1/a runqueue |     ii    vvv
        ",
        "
        a
          inner 0..17
            solve 0..4
            wait.runqueue 4..6
            solve 6..17
              solve.before_wait.runqueue 6..10
              wait.runqueue 10..13
              solve.after_wait.runqueue 13..17
        ",
    );
}

#[test]
fn a_wait_between_two_functions_is_neithers() {
    check(
        "
        f            = c:main c:first
        s            = c:main c:second
        k            = libc:read
        1/a @        | ffffffffffff   ssssssssssss
        1/a read     |             kkk
        ",
        "
        a
          first 0..12
          wait.io 12..15
          second 15..27
        ",
    );
}

#[test]
fn across_a_hole_nothing_tells() {
    check(
        "
        s         = c:main c:work
        k         = libc:read
        1/a @     | ssssssssssss                                                    ssssssssssss
        1/a read  |                                                 kkk
        ",
        "
        a
          work 0..12
          wait.io 48..51
          work 64..76
        ",
    );
}

#[test]
fn what_is_seen_on_both_sides_of_a_hole_is_no_loop_for_a_cut_stack_between() {
    check(
        "
        s         = c:main c:serve c:work
        k         = ?:0x7
        1/a @     | s              ssssssssssss
        1/a cut   |  k
        ",
        "
        a
          work 15..27
        ",
    );
}

#[test]
fn the_c_librarys_functions_give_no_names() {
    check(
        "
        h         = fw:run handler libc:qsort
        n         = c:main c:work libc:qsort
        k         = libc:qsort
        1/a @     | hhhhhhhhhhhhhhh
        2/b @     | nnnnnnnnnnnnnnn
        3/c read  | kkkkkkk kkkkkkk
        ",
        "
        a
          handler 0..15
        b
          work 0..15
        c
          wait.io 0..7
          wait.io 8..15
        ",
    );
}

#[test]
fn waits_alone_may_be_many_calls() {
    let case = Case::showing(&["hotspan.merged"]);
    case.check(
        "
        t            = c:tick
        1/a runqueue | ttttt ttttt ttttt
        ",
        "
        a
          tick 0..17 merged=true
            wait.runqueue 0..5
            tick.after_wait.runqueue 5..6
            wait.runqueue 6..11
            tick.after_wait.runqueue 11..12
            wait.runqueue 12..17
        ",
    );
}

#[test]
fn stacks_that_are_cut_name_nothing_wrongly() {
    check(
        "
        h     = fw:run handler build
        c     = lib:add c:insert
        p     = fw:call handler build lib:add
        1/a @ | hhhh  hhhh
        1/a cut |   ccpp
        2/b cut | cccccccc
        ",
        "
        a
          build 0..10
        ",
    );
}

#[test]
fn a_native_thread_whose_stack_is_cut_is_where_it_is_seen() {
    check(
        "
        w     = c:work
        1/a cut | wwwwwwww
        ",
        "
        a
          work 0..8
        ",
    );
}

#[test]
fn waits_whose_stacks_lack_native_frames_break_no_call_in_pieces() {
    check(
        "
        s            = bin:<module> fw:run c:loop fw:call handler score c:sum
        w            = bin:<module> fw:run fw:call handler score
        1/a @        | ssss ssss ssssssssssssssssssssssss
        1/a runqueue |     w    w
        ",
        "
        a
          score 0..34
        ",
    );
}

#[test]
fn waits_between_cut_stacks_of_one_function_break_no_call_in_pieces() {
    check(
        "
        w            = c:work ?:0x7
        v            = c:other ?:0x9
        k            = ?:0x7
        1/a cut      | wwww    wwww    wwww
        1/a runqueue |     kkkk    kkkk
        2/b cut      | wwwwwwwwwwww    vvvvvvvvvvvv
        2/b runqueue |             kkkk
        ",
        "
        a
          work 0..20
            work.before_wait.runqueue 0..4
            wait.runqueue 4..8
            work.after_wait.runqueue 8..12
            wait.runqueue 12..16
            work.after_wait.runqueue 16..20
        b
          work 0..12
          wait.runqueue 12..16
          other 16..28
        ",
    );
}

/// A wait's stack ends where the unwind information does; a sample's goes on to the generated code that called.
#[test]
fn waits_below_generated_code_break_no_call_in_pieces() {
    check(
        "
        s            = ?:0x7 c:work
        w            = c:work
        1/a cut      | ssss    ssss    ssss
        1/a runqueue |     wwww    wwww    wwww
        ",
        "
        a
          work 0..24
            work.before_wait.runqueue 0..4
            wait.runqueue 4..8
            work.after_wait.runqueue 8..12
            wait.runqueue 12..16
            work.after_wait.runqueue 16..20
            wait.runqueue 20..24
        ",
    );
}

#[test]
fn a_whole_stack_before_them_does_not_break_what_cut_ones_show() {
    check(
        "
        m            = c:main c:begin
        s            = c:deep c:deep c:work
        w            = c:work
        1/a @        | m
        1/a cut      |  ssss    ssss    ssss
        1/a runqueue |      wwww    wwww
        ",
        "
        a
          work 1..21
            work.before_wait.runqueue 1..5
            wait.runqueue 5..9
            work.after_wait.runqueue 9..13
            wait.runqueue 13..17
            work.after_wait.runqueue 17..21
        ",
    );
}
