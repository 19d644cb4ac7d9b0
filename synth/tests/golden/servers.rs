//! What is above handlers: programs that start their server or their loop themselves, as by `uvicorn.run(app)`; pools.

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

#[test]
fn a_pools_thread_that_waits_for_work_does_so_for_nobody() {
    check(
        "
        b          = thread:run fw:attach pool:_worker pool:run build
        l          = thread:run fw:attach pool:_worker pool:run build queue:get
        w          = thread:run fw:attach pool:_worker
        q          = thread:run fw:attach pool:_worker queue:get thread:wait
        o          = thread:run fw:attach pool:_worker pool:run done:set_result fw:call
        1/a @      | bbbbbbbbbbbb            bbbbbbbbbbbb            o
        1/a futex  |             llllllllllll            wwwwwwwwwwww  qqqqqqqqqqq
        ",
        "
        a
          build 0..36
            build.before_wait.lock 0..12
            wait.lock 12..24
            build.after_wait.lock 24..36
        ",
    );
}

#[test]
fn a_pools_job_may_have_no_function_of_its_own() {
    check(
        "
        n                   = thread:run fw:attach pool:_worker pool:run fw:wrapped libc:clock_nanosleep
        1/a clock_nanosleep | nnnnnnnnnnnn
        ",
        "
        a
          wait.sleep 0..12
        ",
    );
}

/// The stack of a forked process begins with its parent's, which goes on there for nobody.
#[test]
fn a_process_that_was_forked_in_a_request_begins_where_it_started() {
    check(
        "
        h          = server:run fw:call handler processes:submit
        b          = server:run fw:call handler processes:submit process:_bootstrap process:run processes:_process_worker build
        q          = server:run fw:call handler processes:submit process:_bootstrap process:run processes:_process_worker queue:get
        1/a @      | hhhhhhhhhhhh
        2/a @      |      bbbbbbbbbbbbbbb          bbbbbbbbbbbb
        2/a futex  |                     qqqqqqqqqq
        ",
        "
        a
          handler 0..12
          build 5..20
          build 30..42
        ",
    );
}
