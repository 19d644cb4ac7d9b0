//! What handlers call of libraries, and what they import.

use crate::check;

#[test]
fn an_import_bears_its_modules_name_and_not_those_of_what_it_imports() {
    check(
        "
        n          = fw:run handler importlib:_find_and_load importlib:_load numpy:<module> c:init
        l          = fw:run handler importlib:_find_and_load importlib:_load numpy:<module> importlib:_find_and_load linalg:<module>
        w          = fw:run handler importlib:_find_and_load importlib:_get_code
        h          = fw:run handler
        s          = fw:run handler solve
        1/a read   | ww
        1/a @      |   nnnnnnlllllllllllhhssssssssssss
        ",
        "
        a
          handler 0..33
            wait.io 0..2
            import numpy 2..19
            handler.after_import numpy 19..21
            solve 21..33
        ",
    );
}

#[test]
fn a_helper_imports_too() {
    check(
        "
        n          = fw:run handler build importlib:_find_and_load numpy:<module> c:init
        b          = fw:run handler build
        s          = fw:run handler solve
        1/a @      | nnnnnnnnnnnnnnnbbbbbbbbbbbbbbbssssssssssssss
        ",
        "
        a
          handler 0..44
            build 0..30
              import numpy 0..15
              build.after_import numpy 15..30
            solve 30..44
        ",
    );
}

#[test]
fn a_library_that_takes_all_of_a_handlers_time_gives_the_name() {
    check(
        "
        o          = fw:run handler lib:optimize c:SCIPsolve
        p          = fw:run handler build lib:optimize c:SCIPsolve
        u          = fw:run handler lib:_wrapped
        1/a @      | ooooooooooooooo
        1/b @      |                 ppppppppppppppp
        1/c @      |                                  uuuuuuuuuuuuuuu
        ",
        "
        a
          optimize 0..15
        b
          build 16..31
        c
          handler 33..48
        ",
    );
}

#[test]
fn a_handler_shows_the_libraries_that_it_calls() {
    check(
        "
        h          = fw:run handler
        f          = fw:run handler lib:fit c:train
        p          = fw:run handler lib:predict
        t          = fw:run handler lib:trim
        b          = fw:run handler build lib:fit
        c          = fw:run handler build lib:trim
        1/a @      | ffffffffffffffffhhhhttppppppppppppppphh
        1/b @      |                                        bbbbbbbbbbbbbbbcccccccccccccccc
        ",
        "
        a
          handler 0..39
            fit 0..16
            handler.after_fit 16..20
            trim 20..22
            predict 22..37
            handler.after_predict 37..39
        b
          build 39..70
        ",
    );
}
