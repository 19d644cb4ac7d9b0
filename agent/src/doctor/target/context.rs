//! Can the active span be found, and is there one?

use super::{ContextFacts, OutcomeFacts, TARGET};
use crate::doctor::Check;

/// What loses the context between threads, and what does not.
const LOST_BY: &str =
    "OpenTelemetry's context does not follow run_in_executor() or ThreadPoolExecutor.submit()";
const KEEP_BY: &str =
    "use asyncio.to_thread(), or instrument with opentelemetry-instrumentation-threading";
/// What no request's span was active for, and no thread has lost.
const START_BY: &str = "send it requests meanwhile, if it serves some; else start a span around these calls, or run it \
     under opentelemetry-instrument";

pub(super) fn reader(facts: &ContextFacts) -> Check {
    const NAME: &str = "context";
    match facts {
        ContextFacts::ThreadContext => TARGET.ok(NAME, "thread context records (OTEP 4947)"),
        ContextFacts::Python(python) => TARGET.ok(NAME, format!("{python}, its layout confirmed")),
        ContextFacts::Refused(why) => TARGET.missing(
            NAME,
            why,
            "try again once it serves requests; else use a release of CPython 3.8 to 3.14 with the GIL",
        ),
        ContextFacts::Neither => TARGET.missing(
            NAME,
            "neither CPython nor thread context records: no span can be found to hang others under",
            "attach to the process that serves the requests; of a prefork server, any worker",
        ),
    }
}

/// Work on threads that the context did not reach.
pub(super) fn lost(outcomes: Option<&OutcomeFacts>) -> Check {
    const NAME: &str = "threads";
    let Some(outcomes) = outcomes else {
        return TARGET.note(
            NAME,
            format!("not looked at (--watch TIME does). {LOST_BY}"),
        );
    };
    let other: u64 = outcomes.other.iter().map(|(_, count)| count).sum();
    let all = outcomes.found + outcomes.no_active_span + outcomes.none_on_main + other;
    if all == 0 {
        return TARGET.note(
            NAME,
            "no call of a region was seen: send it requests meanwhile, or watch longer",
        );
    }
    if let Some((worst, count)) = outcomes.other.iter().max_by_key(|(_, count)| count)
        && *count > 0
    {
        let what = format!("the parent of {other} calls of {all} could not be read: {worst}");
        return TARGET.warn(
            NAME,
            what,
            "report this with the output of `hotspan doctor --json`",
        );
    }
    if outcomes.no_active_span > 0 {
        let what = format!(
            "{} calls of {all} ran without an active span ({}): {LOST_BY}",
            outcomes.no_active_span,
            outcomes.without.join(", "),
        );
        return TARGET.warn(NAME, what, KEEP_BY);
    }
    let found = outcomes.found;
    if outcomes.none_on_main == 0 {
        return TARGET.ok(NAME, format!("an active span at each of {found} calls"));
    }
    let (calls, regions) = (outcomes.none_on_main, outcomes.without_on_main.join(", "));
    if found == 0 {
        let what =
            format!("none of {calls} calls on the main thread had an active span ({regions})");
        return TARGET.warn(NAME, what, START_BY);
    }
    TARGET.ok(
        NAME,
        format!(
            "an active span at each of {found} calls; {calls} on the main thread had none ({regions}), as what a \
             server does before and between requests has"
        ),
    )
}
