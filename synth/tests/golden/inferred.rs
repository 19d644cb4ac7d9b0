//! Spans from samples alone: which functions, their bounds, their names.

use crate::check;

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
        1/a @ | ffff
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
