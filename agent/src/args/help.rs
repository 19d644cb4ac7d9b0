//! What stands below the options in `--help`.

/// Below `hotspan --help`.
pub const TOP: &str = "\
EXAMPLES
  hotspan doctor                         can this host be traced?
  sudo hotspan attach --port 8000        spans of whoever listens there, in this terminal
  sudo hotspan attach --pid 4711 --otlp-endpoint http://localhost:4317
  sudo hotspan run -- uvicorn app:app    from the first instruction
  hotspan COMMAND --help                 more examples

ENVIRONMENT
  Read as OpenTelemetry's specification says; options win over it.
  OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_PROTOCOL, OTEL_EXPORTER_OTLP_HEADERS,
  OTEL_EXPORTER_OTLP_TIMEOUT, OTEL_EXPORTER_OTLP_COMPRESSION, OTEL_EXPORTER_OTLP_CERTIFICATE,
  OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE, OTEL_EXPORTER_OTLP_CLIENT_KEY, and each of these as
  OTEL_EXPORTER_OTLP_TRACES_...; OTEL_RESOURCE_ATTRIBUTES, OTEL_SERVICE_NAME, OTEL_TRACES_SAMPLER

EXIT CODES
  0  ended as asked
  1  failed
  2  wrong usage, or several processes match
  3  not permitted, or the kernel lacks what is needed: see `hotspan doctor`
  4  no such process, or it ended before tracing began";

/// Below `hotspan attach --help`.
pub const ATTACH: &str = "\
EXAMPLES
  Watch a service in this terminal; its workers, now and later, are covered too:
    sudo hotspan attach --name gunicorn
  Send spans to where the service sends its own, for one minute:
    sudo hotspan attach --pid 4711 --otlp-endpoint target --duration 1m
  Send them over HTTP, keep a copy in a file, and leave out what takes less than 1 ms:
    sudo hotspan attach --port 8000 --otlp-endpoint http://localhost:4318 \\
      --otlp-protocol http/protobuf --export otlp --export jsonl=spans.jsonl --min-duration 1ms
  Take stacks more often, for short requests; or none:
    sudo hotspan attach --port 8000 --frequency 499
    sudo hotspan attach --port 8000 --no-sampling
  Take stacks, but probe nothing that the catalogue does not name:
    sudo hotspan attach --port 8000 --no-promotion";

/// Below `hotspan run --help`.
pub const RUN: &str = "\
EXAMPLES
  Start a service and watch it in this terminal:
    sudo hotspan run -- opentelemetry-instrument uvicorn app:app --port 8000
  The same, with spans sent to a collector:
    sudo hotspan run --otlp-endpoint http://localhost:4317 -- python service.py

The program waits, before its first instruction, until its executable and the libraries that its
loader gives it are armed. What it loads later is armed within milliseconds, and it is said how many.
Calls are attributed once the interpreter, or the thread context record, can be read: some
milliseconds after the start.";

/// Below `hotspan doctor --help`.
pub const DOCTOR: &str = "\
EXAMPLES
  Can this host be traced?
    sudo hotspan doctor
  Why is there no span from this service?
    sudo hotspan doctor --pid 4711
  The same, and does the active span get lost on the way to a thread? (send it requests meanwhile)
    sudo hotspan doctor --pid 4711 --watch 10s
  Does the collector answer?
    sudo hotspan doctor --otlp-endpoint http://localhost:4317

Ends with code 0 if this host allows tracing, else with 3.";

/// Below `hotspan regions --help`.
pub const REGIONS: &str = "\
EXAMPLES
  What would be traced in this service?
    sudo hotspan regions --port 8000
  And in this library?
    hotspan regions /usr/lib/libhighs.so.1
  With regions of one's own:
    sudo hotspan regions --pid 4711 --regions my-library.toml
  A file for the functions that it spends its time in:
    sudo hotspan regions --pid 4711 --suggest --duration 30s > my-library.toml";

/// Below `hotspan top --help`.
pub const TOP_COMMAND: &str = "\
EXAMPLES
  A solve hangs. Where, and waiting for what? (q ends it)
    sudo hotspan top --port 8000
  The same as text, once, for a ticket:
    sudo hotspan top --pid 4711 --once

Requests that began before hotspan did are shown, too. SINCE is the age of the request's span, or with
a `>` the time for which it has been seen. Where standard output is no terminal, pictures follow each
other as text, twice a second.";

/// Below `hotspan record --help`.
pub const RECORD: &str = "\
EXAMPLES
  Record ten seconds of a service:
    sudo hotspan record --port 8000 --duration 10s --output service.hotspan
  Make its spans again, later and elsewhere:
    hotspan replay service.hotspan";

/// Below `hotspan replay --help`.
pub const REPLAY: &str = "\
EXAMPLES
  Show a recording in this terminal:
    hotspan replay service.hotspan
  Send it to a collector, or write it as JSON lines:
    hotspan replay service.hotspan --otlp-endpoint http://localhost:4317
    hotspan replay service.hotspan --export jsonl=spans.jsonl";
