//! Spans that the target opened within others of its own.

use crate::check;

#[test]
fn functions_above_the_crossing_are_not_in_a_span_that_was_opened_in_it() {
    check(
        "
        e       = fw:run timed lib:solve c:ns::S()
        s       = fw:run timed lib:solve c:ns::S() c:search
        g       = fw:run timed lib:solve c:ns::S() c:call on_solution gemm
        h       = fw:run timed lib:solve c:ns::S() c:call on_solution store
        1/a     | SSSSSSSSSSSSSSSSSSSSSSS
        1/a @   | ssssss         ssssssss
        1/b @   |       gggghhhh
        ",
        "
        a
          cpsat.solve 0..23
            search 0..6
            search 15..23
        b
          on_solution 6..14
            gemm 6..10
            store 10..14
        ",
    );
}

#[test]
fn the_stack_at_its_entry_shows_a_crossing_whose_function_has_no_name() {
    check(
        "
        e         = fw:run timed lib:solve ?:0x12
        g         = fw:run timed lib:solve ?:0x12 on_solution gemm
        1/a       | SSSSSSSSSSSSSSSSSSSSSSS
        1/a entry | e
        1/b @     |       gggggggg
        ",
        "
        a
          cpsat.solve 0..23
        b
          gemm 6..14
        ",
    );
}

#[test]
fn a_function_that_holds_a_span_is_not_in_it() {
    check(
        "
        l       = fw:run handler:10 load
        w       = fw:run handler:12 work add
        v       = fw:run handler:13
        r       = fw:run handler:15 render
        1/a @   | llll        rrrr
        1/A @   |     wwwwvvvv
        ",
        "
        A
          add 4..8
        a
          load 0..4
          render 12..16
        ",
    );
}

#[test]
fn lines_of_their_callers_that_are_the_same_show_one_call() {
    check(
        "
        h       = fw:run handler:10 each:3
        x       = fw:run handler:10 each:5 step
        1/a @   | hhhh    hhhh
        1/A @   |     xxxx
        ",
        "
        A
          step 4..8
        a
          each 0..4
          each 8..12
        ",
    );
}

#[test]
fn what_comes_before_a_region_does_not_reach_over_a_span_that_was_open_before_it() {
    check(
        "
        w             = fw:run
        i             = fw:run handler:12 small lib:solve c:SolveCpModel
        e             = fw:run handler:13 small lib:solve c:SolveCpModel
        2/a suspended | wwwwwwwwww
        1/A           |  S
        1/A entry     |  i
        1/a           |    SSSSS
        1/a entry     |    e
        ",
        "
        A
          cpsat.solve 1..2
        a
          cpsat.solve 3..8
          handler.after_cpsat.solve 8..10
        ",
    );
}

#[test]
fn what_comes_after_a_region_does_not_reach_over_a_span_that_was_opened_then() {
    check(
        "
        w             = fw:run
        e             = fw:run handler:12 small lib:solve c:SolveCpModel
        i             = fw:run handler:13 small lib:solve c:SolveCpModel
        2/a suspended | wwwwwwwwww
        1/a           |   SSSSS
        1/a entry     |   e
        1/A           |         S
        1/A entry     |         i
        ",
        "
        A
          cpsat.solve 8..9
        a
          handler.before_cpsat.solve 0..2
          cpsat.solve 2..7
        ",
    );
}

#[test]
fn the_time_between_two_regions_is_not_theirs_who_called_both_if_a_span_was_open_in_it() {
    check(
        "
        e         = fw:run handler:12 lib:solve c:SolveCpModel
        i         = fw:run handler:13 small lib:solve c:SolveCpModel
        1/a       | SSSSS   SSSSS
        1/a entry | e       e
        1/A       |       S
        1/A entry |       i
        ",
        "
        A
          cpsat.solve 6..7
        a
          cpsat.solve 0..5
          cpsat.solve 8..13
        ",
    );
}

#[test]
fn what_was_seen_of_a_span_ends_where_another_was_seen_in_it() {
    check(
        "
        l       = fw:run handler:10 load
        w       = fw:run handler:12 work
        1/a @   | llllllll   llllllll
        1/A @   |         w
        ",
        "
        a
          load 0..8
          load 11..19
        ",
    );
}

#[test]
fn a_thread_that_served_another_had_not_been_handed_the_work_yet() {
    check(
        "
        w             = fw:run
        h             = fw:run handler
        e             = fw:run handler:12 lib:solve c:SolveCpModel
        2/a suspended | wwwwwwwwww
        1/b @         |  h
        1/a           |    SSSSS
        1/a entry     |    e
        ",
        "
        a
          cpsat.solve 3..8
          handler.after_cpsat.solve 8..10
        ",
    );
}
