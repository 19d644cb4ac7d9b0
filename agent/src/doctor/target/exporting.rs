//! Do the endpoints answer?

use super::{ProcessFacts, TARGET};
use crate::doctor::{Answer, Check, EndpointFacts, Section, Vantage};

/// Whether hotspan's own endpoint answers.
pub fn check_endpoint(facts: &EndpointFacts) -> Check {
    const NAME: &str = "endpoint";
    let url = &facts.endpoint;
    match problem(&facts.answer) {
        Ok(address) => Section::Export.ok(NAME, format!("{url} answers ({address})")),
        Err(problem) => {
            let what = format!("{url}: {problem}");
            let remedy = "start a collector there, or correct the endpoint";
            Section::Export.missing(NAME, what, remedy)
        }
    }
}

/// Whether an endpoint of the target's SDK answers, as far as that can be told from here.
pub(super) fn of_target(facts: &EndpointFacts, process: &ProcessFacts) -> Check {
    const NAME: &str = "its endpoint";
    let url = &facts.endpoint;
    let elsewhere = process.own_network && facts.from == Vantage::Hotspan;
    // Its own resolver may know the name: containers have an /etc/resolv.conf of theirs.
    let unsure = process.own_mounts && matches!(facts.answer, Answer::Unresolved(_));
    match problem(&facts.answer) {
        Ok(address) if !elsewhere => TARGET.ok(NAME, format!("{url} answers ({address})")),
        Ok(address) => TARGET.note(
            NAME,
            format!("{url} answers hotspan ({address}); the target has a network of its own"),
        ),
        Err(problem) if elsewhere || unsure => TARGET.warn(
            NAME,
            format!("{url} does not answer hotspan, but may answer the target: {problem}"),
            format!("ask from there: nsenter --net --mount --target {}", process.pid),
        ),
        Err(problem) => TARGET.warn(
            NAME,
            format!("the process's own spans do not arrive: {url}: {problem}"),
            "start a collector there, or correct OTEL_EXPORTER_OTLP_ENDPOINT and restart the process",
        ),
    }
}

/// The address that answered, or what went wrong.
fn problem(answer: &Answer) -> Result<std::net::SocketAddr, String> {
    match answer {
        Answer::Connected(address) => Ok(*address),
        Answer::Refused(why) | Answer::Unresolved(why) | Answer::BadUrl(why) => Err(why.clone()),
        Answer::TimedOut(limit) => Err(format!("no answer within {} s", limit.as_secs_f64())),
    }
}
