//! Waits and what they show.

use crate::check;

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
