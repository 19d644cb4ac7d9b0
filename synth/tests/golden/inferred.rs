//! Spans from samples alone: which functions, their bounds, their names.

use crate::{Case, check};

#[test]
fn the_innermost_of_the_applications_functions_names_a_chain_of_single_callers() {
    check(
        "
        a     = fw:run fw:call handler service multiply lib:dot c:gemm
        1/a @ | aaaaaaaa
        ",
        "
        a
          multiply 0..8
        ",
    );
}

#[test]
fn a_function_with_several_callees_is_around_them() {
    check(
        "
        l     = fw:run handler load lib:parse
        b     = fw:run handler build lib:add c:insert
        1/a @ | llllbbbb
        ",
        "
        a
          handler 0..8
            load 0..4
            build 4..8
        ",
    );
}

#[test]
fn what_is_left_of_a_function_is_named_after_what_lies_beside_it() {
    check(
        "
        h     = fw:run handler
        b     = fw:run handler build
        1/a @ | hhbbbbbhh
        ",
        "
        a
          handler 0..9
            handler.before_build 0..2
            build 2..7
            handler.after_build 7..9
        ",
    );
}

#[test]
fn what_took_its_callers_name_hides_nothing_beside_it() {
    check(
        "
        b     = fw:run handler build add
        s     = fw:run handler solve
        l     = fw:run handler log
        f     = fw:run
        1/a @ | fbbssssssssssssssssssssssssssssssl
        ",
        "
        a
          build 1..3
          solve 3..33
          log 33..34
        ",
    );
}

#[test]
fn what_is_left_of_a_function_is_what_it_called_then() {
    check(
        "
        h     = fw:run handler
        c     = fw:run handler check add
        b     = fw:run handler build
        w     = fw:run handler write
        1/a @ | ccbbbbbbbbwh
        ",
        "
        a
          handler 0..12
            check 0..2
            build 2..10
            handler.after_build 10..12
        ",
    );
}

#[test]
fn of_brief_calls_in_a_loop_nothing_is_told() {
    check(
        "
        b     = fw:run handler build
        s     = fw:run handler solve
        1/a @ | bsssssssssbssssssssssssssssssssss
        ",
        "
        a
          handler 0..33
        ",
    );
}

#[test]
fn a_function_that_is_called_in_a_loop_is_its_callers_business() {
    check(
        "
        h     = fw:run handler matrix
        d     = fw:run handler matrix distance
        1/a @ | dddhddddhdddd
        ",
        "
        a
          matrix 0..13
        ",
    );
}

#[test]
fn a_stretch_without_a_function_tells_two_calls_apart() {
    check(
        "
        h     = fw:run handler
        s     = fw:run handler step
        1/a @ | sssshhhssss
        ",
        "
        a
          handler 0..11
            step 0..4
            handler.after_step 4..7
            step 7..11
        ",
    );
}

#[test]
fn frameworks_and_functions_without_a_name_become_no_spans() {
    check(
        "
        f     = fw:run fw:call
        n     = fw:run handler <listcomp> <lambda>
        u     = c:start_thread c:work ?:0x123
        t     = fw:run task:task_step task:task_step_impl
        v     = c:start_thread uv:uv__run uv:__pyx_f_6uvloop_4loop_6Handle__run
        1/a @ | ffff
        3/a @ | tttt
        4/a @ | vvvv
        1/b @ | nnnn
        2/c @ | uuuu
        ",
        "
        b
          handler 0..4
        c
          work 0..4
        ",
    );
}

#[test]
fn lines_of_the_caller_that_differ_show_more_than_one_call() {
    Case::showing(&["hotspan.merged", "hotspan.samples"]).check(
        "
        s     = fw:run handler:10 step:31
        t     = fw:run handler:10 step:32
        u     = fw:run handler:11 step:31
        1/a @ | ssttss
        2/b @ | ssttuu
        ",
        "
        a
          step 0..6 samples=6
        b
          step 0..6 samples=6 merged=true
        ",
    );
}

#[test]
fn functions_without_a_symbol_have_no_name() {
    check(
        "
        u     = fw:run ?:0x1 ?:0x2
        h     = fw:run handler ?:0x1
        1/a @ | uuuuuuuu
        1/b @ | hhhhhhhh
        ",
        "
        b
          handler 0..8
        ",
    );
}

#[test]
fn an_application_that_is_installed_as_a_package_is_one_all_the_same() {
    check(
        "
        l     = fw:run other:handler other:load lib:parse
        b     = fw:run other:handler other:build lib:add
        1/a @ | llllbbbb
        ",
        "
        a
          handler 0..8
            load 0..4
            build 4..8
        ",
    );
}

#[test]
fn nothing_is_said_of_a_hole_in_the_evidence() {
    Case::showing(&["hotspan.continued"]).check(
        "
        h     = fw:run handler
        1/a @ | hhhh      hhhh
        ",
        "
        a
          handler 0..4 continued=true
          handler 10..14 continued=true
        ",
    );
}

#[test]
fn what_gives_way_in_a_hole_says_that_it_may_have_gone_on() {
    Case::showing(&["hotspan.continued"]).check(
        "
        l     = fw:run handler load
        b     = fw:run handler build
        1/a @ | llll      bbbb
        ",
        "
        a
          load 0..4 continued=true
          build 10..14 continued=true
        ",
    );
}

#[test]
fn what_has_a_hole_up_to_a_crossing_says_that_it_may_have_gone_on() {
    Case::showing(&["hotspan.continued"]).check(
        "
        l     = fw:run handler load
        1/a @ | llll
        1/a   |           SSSS
        ",
        "
        a
          load 0..4 continued=true
          cpsat.solve 10..14
        ",
    );
}

#[test]
fn samples_in_a_region_are_spans_in_it_where_they_differ() {
    check(
        "
        p         = fw:run handler lib:solve c:S c:presolve
        q         = fw:run handler lib:solve c:S c:search
        1/a       | SSSSSSSSSS
        1/a @     | ppppqqqqqq
        ",
        "
        a
          cpsat.solve 0..10
            presolve 0..4
            search 4..10
        ",
    );
}

#[test]
fn samples_of_workers_are_their_regions_and_no_spans() {
    check(
        "
        w       = c:start_thread c:search
        1/a     | SSSSSSSSSS
        2<1     |  WWWWWWWW
        2 @     |  wwwwwwww
        ",
        "
        a
          cpsat.solve 0..10
            cpsat.worker 1..9
        ",
    );
}

#[test]
fn a_sample_stands_for_no_time_in_which_its_thread_served_another() {
    check(
        "
        s       = fw:run handler step
        1/b     | SSSSS
        1/a @10 |      s s
        1/b     |         SSSSS
        ",
        "
        a
          step 5..8
        b
          cpsat.solve 0..5
          cpsat.solve 8..13
        ",
    );
}

#[test]
fn where_most_of_a_spans_time_went_in_the_kernel_is_in_its_stack_and_names_nothing() {
    Case::showing(&["code.function.name", "code.stacktrace"]).check(
        "
        k     = fw:run handler draw:7 libc:getrandom kernel:do_syscall_64 kernel:get_random_bytes kernel:chacha
        l     = fw:run handler draw:7 libc:getrandom kernel:do_syscall_64 kernel:get_random_bytes kernel:copy
        u     = fw:run handler draw:8
        1/a @ | kkllukkllu
        ",
        "
        a
          draw 0..10 code.function.name=draw code.stacktrace=get_random_bytes (vmlinux)
        do_syscall_64 (vmlinux)
        getrandom (libc.so.6)
        draw (/app/main.py:7)
        handler (/app/main.py)
        ",
    );
}
