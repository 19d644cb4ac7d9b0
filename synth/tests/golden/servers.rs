//! Programs that start their server or their loop themselves, as by `uvicorn.run(app)`: they are above all handlers.

use crate::check;

#[test]
fn who_started_the_server_is_no_part_of_a_request() {
    check(
        "
        m         = main:9 server:run loop:run_forever fw:route
        b         = main:9 server:run loop:run_forever fw:route handler build
        l         = main:9 server:run loop:run_forever fw:route handler load
        1/a @     | mmmmmmmmmmmmbbbbbbbbbbbbllllllllllll
        ",
        "
        a
          handler 12..36
            build 12..24
            load 24..36
        ",
    );
}

#[test]
fn what_is_below_a_server_is_whole_without_what_is_above_it() {
    check(
        "
        b         = main:9 server:run loop:run_forever fw:route handler build
        l         = main:9 server:run loop:run_forever fw:route handler load
        1/a cut   | bbbbbbbbbbbbllllllllllll
        ",
        "
        a
          handler 0..24
            build 0..12
            load 12..24
        ",
    );
}

#[test]
fn a_handler_may_have_a_loop_of_its_own() {
    let of = |above: &str| {
        check(
            &format!(
                "
                h     = {above} handler prepare
                t     = {above} handler loop:run_forever task
                1/a @ | hhhhhhhhhhhhtttttttttttt
                "
            ),
            "
            a
              handler 0..24
                prepare 0..12
                task 12..24
            ",
        );
    };
    of("thread:run fw:work");
    of("main server:run fw:work");
}

#[test]
fn what_waits_for_its_own_loop_is_named() {
    check(
        "
        b          = main work build
        w          = main work loop:run_forever
        1/a @      | bbbbbbbbbbbb
        1/a futex  |             wwwwwwwwwwww
        ",
        "
        a
          work 0..24
            build 0..12
            wait.lock 12..24
        ",
    );
}
