//! Why there is no span.

use std::time::Duration;

use super::outcome;
use crate::{
    context::endpoint::Endpoint,
    doctor::{
        Answer, ContextFacts, EndpointFacts, ExporterFacts, OutcomeFacts, ProcessFacts,
        RegionFacts, SamplerFacts, SdkFacts, TargetFacts, Vantage, Verdict, check_endpoint,
        check_target,
    },
};

fn strings(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn good() -> TargetFacts {
    TargetFacts {
        process: ProcessFacts {
            pid: 4711,
            exe: "/usr/bin/python3.11".into(),
            ns_pid: 4711,
            threads: 9,
            descendants: vec![],
            own_mounts: false,
            own_network: false,
            tracer: None,
        },
        regions: Some(RegionFacts {
            armable: strings(&["cpsat.solve", "blas.gemm"]),
            installed: vec![],
            refused: vec![],
            files: 40,
            symbols: 51_000,
        }),
        context: Some(ContextFacts::Python("CPython 3.11.7".into())),
        sdk: Some(provider(SamplerFacts::On, vec![exporter(false)])),
        endpoints: vec![EndpointFacts {
            endpoint: Endpoint::new("http://localhost:4317"),
            from: Vantage::Hotspan,
            answer: Answer::Connected("127.0.0.1:4317".parse().unwrap()),
        }],
        outcomes: None,
    }
}

pub(super) fn exporter(shut_down: bool) -> ExporterFacts {
    let endpoint = Some(Endpoint::new("user:secret@localhost:4317"));
    ExporterFacts {
        class: "OTLPSpanExporter".into(),
        endpoint,
        shut_down,
    }
}

pub(super) fn provider(sampler: SamplerFacts, exporters: Vec<ExporterFacts>) -> SdkFacts {
    SdkFacts::Provider {
        sampler: Some(sampler),
        exporters: Some(exporters),
    }
}

/// A good target, changed: what this check says, and that nothing else is amiss.
pub(super) fn check(
    change: impl FnOnce(&mut TargetFacts),
    name: &str,
    expected: Option<(Verdict, &str)>,
) {
    let mut facts = good();
    change(&mut facts);
    let checks = check_target(&facts);
    let found = outcome(&checks, name);
    let found = found
        .as_ref()
        .map(|(verdict, text)| (*verdict, text.as_str()));
    assert_eq!(found, expected, "{name}");
    let amiss = |check: &&super::Check| matches!(check.verdict, Verdict::Missing | Verdict::Warn);
    let amiss: Vec<_> = checks
        .iter()
        .filter(amiss)
        .map(|check| check.name)
        .collect();
    let good = matches!(expected, None | Some((Verdict::Ok | Verdict::Note, _)));
    let only: &[&str] = if good { &[] } else { &[name] };
    assert_eq!(amiss, only);
}

use Verdict::{Missing, Note, Ok as Good, Warn};

#[test]
fn processes() {
    check(
        |_| {},
        "process",
        Some((Good, "4711 /usr/bin/python3.11, 64-bit, 9 threads")),
    );
    check(
        |facts| facts.process.threads = 1,
        "process",
        Some((Good, "4711 /usr/bin/python3.11, 64-bit, 1 thread")),
    );
    check(|_| {}, "workers", None);
    check(
        |facts| facts.process.descendants = vec![5, 6],
        "workers",
        Some((
            Note,
            "2 descendants are traced with it; what is said here is of 4711 alone: \
             `hotspan doctor --pid 5` for one of them",
        )),
    );
    check(|_| {}, "container", None);
    check(
        |facts| {
            facts.process.ns_pid = 1;
            facts.process.own_mounts = true;
            facts.process.own_network = true;
        },
        "container",
        Some((
            Good,
            "has its own process ids (it is 1 there), mounts, network",
        )),
    );
    check(
        |facts| facts.process.tracer = Some(9),
        "debugger",
        Some((
            Warn,
            "process 9 traces it (ptrace), which slows probes and times down -> detach the debugger",
        )),
    );
}

#[test]
fn regions() {
    fn regions(armable: &[&str], refused: &[(&str, &str)]) -> impl FnOnce(&mut TargetFacts) {
        let refused = refused
            .iter()
            .map(|&(name, why)| (name.into(), why.into()))
            .collect();
        let armable = strings(armable);
        move |facts| {
            facts.regions = Some(RegionFacts {
                armable,
                installed: vec![],
                refused,
                files: 40,
                symbols: 51_000,
            });
        }
    }
    check(|_| {}, "regions", Some((Good, "cpsat.solve, blas.gemm")));
    let installed = |facts: &mut TargetFacts| {
        let regions = facts.regions.get_or_insert_default();
        regions.installed = strings(&["highs.run"]);
    };
    check(
        installed,
        "regions",
        Some((
            Good,
            "cpsat.solve, blas.gemm; as soon as it is loaded: highs.run",
        )),
    );
    check(
        |facts| {
            regions(&[], &[])(facts);
            installed(facts);
        },
        "regions",
        Some((Good, "as soon as it is loaded: highs.run")),
    );
    check(
        regions(&[], &[]),
        "regions",
        Some((
            Missing,
            "none; 40 mapped files with 51000 symbols were looked at -> \
             send it a request first if it loads libraries late, or add regions: --regions FILE",
        )),
    );
    check(
        regions(&[], &[("highs.run", "an exit is not understood")]),
        "regions",
        Some((
            Missing,
            "none can be armed of 1: highs.run: an exit is not understood -> see `hotspan regions` for each of them",
        )),
    );
    check(
        regions(
            &["cpsat.solve"],
            &[("highs.run", "an exit is not understood")],
        ),
        "regions",
        Some((
            Warn,
            "cpsat.solve; but not highs.run: an exit is not understood -> see `hotspan regions` for each of them",
        )),
    );
    let many = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
    check(
        regions(&many, &[]),
        "regions",
        Some((Good, "a, b, c, d, e, f, g, h and 2 more")),
    );
}

#[test]
fn contexts() {
    fn context(context: ContextFacts) -> impl FnOnce(&mut TargetFacts) {
        move |facts| facts.context = Some(context)
    }
    check(
        |_| {},
        "context",
        Some((Good, "CPython 3.11.7, its layout confirmed")),
    );
    check(
        context(ContextFacts::ThreadContext),
        "context",
        Some((Good, "thread context records (OTEP 4947)")),
    );
    check(
        context(ContextFacts::Refused("CPython 3.7.2 is not known".into())),
        "context",
        Some((
            Missing,
            "CPython 3.7.2 is not known -> \
             try again once it serves requests; else use a release of CPython 3.8 to 3.14 with the GIL",
        )),
    );
    check(
        context(ContextFacts::Neither),
        "context",
        Some((
            Missing,
            "neither CPython nor thread context records: no span can be found to hang others under -> \
             attach to the process that serves the requests; of a prefork server, any worker",
        )),
    );
}

#[test]
fn contexts_that_get_lost() {
    fn outcomes(
        found: u64,
        [lost, on_main]: [u64; 2],
        other: &[(&str, u64)],
    ) -> impl FnOnce(&mut TargetFacts) {
        let other = other
            .iter()
            .map(|&(name, count)| (name.into(), count))
            .collect();
        move |facts| {
            facts.outcomes = Some(OutcomeFacts {
                found,
                no_active_span: lost,
                without: vec!["cpsat.solve".into()],
                none_on_main: on_main,
                without_on_main: vec!["python.regex".into()],
                other,
            });
        }
    }
    const LOST: &str =
        "OpenTelemetry's context does not follow run_in_executor() or ThreadPoolExecutor.submit()";
    check(
        |_| {},
        "threads",
        Some((Note, &format!("not looked at (--watch TIME does). {LOST}"))),
    );
    check(
        outcomes(0, [0, 0], &[]),
        "threads",
        Some((
            Note,
            "no call of a region was seen: send it requests meanwhile, or watch longer",
        )),
    );
    check(
        outcomes(9, [0, 0], &[("read_failed", 0)]),
        "threads",
        Some((Good, "an active span at each of 9 calls")),
    );
    let lost = format!(
        "3 calls of 12 ran without an active span (cpsat.solve): {LOST} -> \
         use asyncio.to_thread(), or instrument with opentelemetry-instrumentation-threading"
    );
    check(outcomes(9, [3, 0], &[]), "threads", Some((Warn, &lost)));
    let lost = lost.replace("of 12", "of 14");
    check(outcomes(9, [3, 2], &[]), "threads", Some((Warn, &lost)));
    check(
        outcomes(9, [0, 2], &[]),
        "threads",
        Some((
            Good,
            "an active span at each of 9 calls; 2 on the main thread had none (python.regex), as what a server does \
             before and between requests has",
        )),
    );
    check(
        outcomes(0, [0, 2], &[]),
        "threads",
        Some((
            Warn,
            "none of 2 calls on the main thread had an active span (python.regex) -> send it requests meanwhile, if it \
             serves some; else start a span around these calls, or run it under opentelemetry-instrument",
        )),
    );
    check(
        outcomes(9, [3, 0], &[("read_failed", 1), ("too_large", 2)]),
        "threads",
        Some((
            Warn,
            "the parent of 3 calls of 15 could not be read: too_large -> \
             report this with the output of `hotspan doctor --json`",
        )),
    );
}

#[test]
fn endpoints_of_the_target() {
    fn endpoint(
        from: Vantage,
        answer: Answer,
        own_namespaces: bool,
    ) -> impl FnOnce(&mut TargetFacts) {
        move |facts| {
            facts.process.own_network = own_namespaces;
            facts.process.own_mounts = own_namespaces;
            let endpoint = Endpoint::new("http://user:secret@otel:4317");
            facts.endpoints = vec![EndpointFacts {
                endpoint,
                from,
                answer,
            }];
        }
    }
    use Vantage::{Hotspan, Target};
    const NAME: &str = "its endpoint";
    const ANSWERS: &str = "http://otel:4317 answers (10.0.0.1:4317)";
    const DEAD: &str = "the process's own spans do not arrive: http://otel:4317: connection refused -> \
        start a collector there, or correct OTEL_EXPORTER_OTLP_ENDPOINT and restart the process";
    let connected = || Answer::Connected("10.0.0.1:4317".parse().unwrap());
    let refused = || Answer::Refused("connection refused".into());
    check(
        endpoint(Hotspan, connected(), false),
        NAME,
        Some((Good, ANSWERS)),
    );
    check(
        endpoint(Target, connected(), true),
        NAME,
        Some((Good, ANSWERS)),
    );
    check(
        endpoint(Hotspan, refused(), false),
        NAME,
        Some((Warn, DEAD)),
    );
    check(endpoint(Target, refused(), true), NAME, Some((Warn, DEAD)));
    check(
        endpoint(Hotspan, connected(), true),
        NAME,
        Some((
            Note,
            "http://otel:4317 answers hotspan (10.0.0.1:4317); the target has a network of its own",
        )),
    );
    let unsure = |why: &str| {
        format!(
            "http://otel:4317 does not answer hotspan, but may answer the target: {why} -> \
             ask from there: nsenter --net --mount --target 4711"
        )
    };
    let from_here = endpoint(Hotspan, refused(), true);
    check(from_here, NAME, Some((Warn, &unsure("connection refused"))));
    let unresolved = endpoint(Target, Answer::Unresolved("unknown".into()), true);
    check(unresolved, NAME, Some((Warn, &unsure("unknown"))));
}

#[test]
fn hotspans_own_endpoint() {
    fn own(answer: Answer, expected: (Verdict, &str)) {
        let endpoint = Endpoint::new("http://otel:4317");
        let facts = EndpointFacts {
            endpoint,
            from: Vantage::Hotspan,
            answer,
        };
        let (verdict, says) = outcome(&[check_endpoint(&facts)], "endpoint").unwrap();
        assert_eq!((verdict, says.as_str()), expected);
    }
    const REMEDY: &str = "start a collector there, or correct the endpoint";
    let address = "10.0.0.1:4317".parse().unwrap();
    own(
        Answer::Connected(address),
        (Good, "http://otel:4317 answers (10.0.0.1:4317)"),
    );
    let silent = format!("http://otel:4317: no answer within 1.5 s -> {REMEDY}");
    own(
        Answer::TimedOut(Duration::from_millis(1500)),
        (Missing, &silent),
    );
    let unknown = format!("http://otel:4317: unknown host -> {REMEDY}");
    own(
        Answer::Unresolved("unknown host".into()),
        (Missing, &unknown),
    );
}

#[test]
fn facts_of_a_real_process() {
    let mut child = std::process::Command::new("sleep")
        .arg("60")
        .spawn()
        .unwrap();
    let process = crate::target::Process::open(child.id()).unwrap();
    let facts = ProcessFacts::read(&process);
    child.kill().unwrap();
    child.wait().unwrap();
    let facts = facts.unwrap();
    assert_eq!(
        (facts.pid, facts.ns_pid, facts.threads),
        (child.id(), child.id(), 1)
    );
    assert_eq!(
        (facts.own_mounts, facts.own_network, facts.tracer),
        (false, false, None)
    );
    assert!(facts.descendants.is_empty());
    assert!(ProcessFacts::read(&process).is_err());
}
