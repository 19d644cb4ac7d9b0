//! How crossings end, and when.

use crate::Case;

#[test]
fn exceptions_and_native_errors_fail_the_span() {
    let shown = &["hotspan.exit", "error.type", "hotspan.cpu_ns"];
    Case { shown, ..Case::default() }.check(
        "
        1/a | SSSSSSSS!    HHH
        1   |  PPP!
        ",
        "
        a
          cpsat.solve 0..9 exit=exception cpu_ns=8700000 error.type=cpp_exception ERROR(cpp_exception)
            * exception 9
            cpsat.presolve 1..5 exit=exception cpu_ns=3700000 error.type=cpp_exception ERROR(cpp_exception)
              * exception 5
          highs.run 13..16 cpu_ns=2700000 error.type=highs.error ERROR(highs.error)
            * exception 16
        ",
    );
}

#[test]
fn lost_exits_end_at_the_last_proof_and_say_so() {
    let shown = &["hotspan.exit", "hotspan.error_ns", "hotspan.cpu_ns"];
    Case::showing(shown).check(
        "
        1/a | SSSSSSSSSSSSSSSS
        1   |  PPP~~~ LL!
        ",
        "
        a
          cpsat.solve 0..16 error_ns=5000 cpu_ns=15700000
            cpsat.presolve 1..4 error_ns=3005000 exit=unwound
            cpsat.search 8..11 error_ns=5000 exit=exception cpu_ns=2700000 ERROR(cpp_exception)
              * exception 11
        ",
    );
}

#[test]
fn crossings_that_are_open_at_the_end_are_detached() {
    let shown = &["hotspan.exit", "hotspan.error_ns"];
    Case::showing(shown).check(
        "
        1/a  | SSSSSSSSSSSS}}
        1    |  PPP LLLLL}}}}
        2/b  | LLLLLLLL>
        2    |   HH
        3/c  | PPPPPPPP>
        3    |   HH
        open |     L
        ",
        "
        a
          cpsat.solve 0..12 error_ns=2005000 exit=detached
            cpsat.presolve 1..4 error_ns=5000
            cpsat.search 5..10 error_ns=4005000 exit=detached
        b
          cpsat.search 0..4.250000 error_ns=11755000 exit=detached
            highs.run 2..4 error_ns=5000
        c
          highs.run 2..4 error_ns=5000
        enclosing_lost: 1
        never_ended: 1
        ",
    );
}

#[test]
fn times_follow_the_nearest_anchor() {
    Case::showing(&["hotspan.error_ns"]).check(
        "
        clock | 0         3         3
        1/a   | SS SSSSSSSSSSSSS SS
        1     |      HH  HH
        ",
        "
        a
          cpsat.solve 0..2 error_ns=5000
          cpsat.solve 3..19 error_ns=3005000
            highs.run 5..10 error_ns=3005000
            highs.run 12..14 error_ns=3005000
          cpsat.solve 20..22 error_ns=5000
        ",
    );
}
