//! OTLP's JSON encoding, one `TracesData` a line, one span each: so the file does not depend on how
//! time has cut the batches, and two replays of a recording are equal to the byte.
//!
//! <https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding>, as the collector's file exporter
//! writes it and its `otlpjsonfile` receiver reads it.

use std::{
    fs::OpenOptions,
    io::{self, Write},
    sync::Arc,
};

use hotspan_synth::{event::Target, span::Span};
use opentelemetry_proto::{
    tonic::trace::v1::TracesData, transform::trace::tonic::group_spans_by_resource_and_scope,
};

use super::{
    ExportError, Say,
    config::JsonlDestination,
    encode, json,
    output::Output,
    queue::{Queue, Queued},
    worker::Worker,
};

/// Spans whose lines are written at once: about 100 KiB. The memory for more would come from the kernel each time.
const AT_ONCE: usize = 64;

/// Opens the destination and starts the exporter's thread.
pub(super) fn start(
    destination: &JsonlDestination,
    queue: Queue,
    say: Say,
) -> Result<Worker, ExportError> {
    let name = match destination {
        JsonlDestination::Stdout => "jsonl standard output".to_owned(),
        JsonlDestination::File(path) => format!("jsonl {}", path.display()),
    };
    let counts = Arc::clone(queue.counts());
    let open = || match open(destination) {
        Ok(writer) => Ok(Output::new(name.clone(), writer, counts, say)),
        Err(error) => Err(ExportError::new(name.clone(), &error)),
    };
    Worker::start(name.clone(), queue, open, async |mut output, queue| {
        let mut lines = Lines::default();
        while let Some(batch) = queue.next().await {
            for part in batch.chunks(AT_ONCE) {
                output.put(lines.of(part), part.len());
            }
        }
    })
}

fn open(destination: &JsonlDestination) -> io::Result<Box<dyn Write + Send>> {
    Ok(match destination {
        JsonlDestination::Stdout => Box::new(io::stdout()),
        JsonlDestination::File(path) => {
            Box::new(OpenOptions::new().create(true).append(true).open(path)?)
        }
    })
}

/// Makes lines of spans. What is around a span is the same for all of a target's.
#[derive(Default)]
struct Lines {
    /// The last span's, with its target.
    last: Option<(Arc<Target>, Around)>,
    text: Vec<u8>,
}

impl Lines {
    fn of(&mut self, spans: &[Queued]) -> io::Result<&[u8]> {
        self.text.clear();
        for queued in spans {
            let target = queued.target.target();
            let last = self.last.take();
            let around = match last.filter(|(known, _)| Arc::ptr_eq(known, &target)) {
                Some((_, around)) => around,
                None => Around::of(&target, &queued.span)?,
            };
            self.text.extend_from_slice(&around.before);
            serde_json::to_writer(&mut self.text, &json::SpanRecord::from(&*queued.span))?;
            self.text.extend_from_slice(&around.after);
            self.text.push(b'\n');
            self.last = Some((target, around));
        }
        Ok(&self.text)
    }
}

/// A line but for its span.
struct Around {
    before: Vec<u8>,
    after: Vec<u8>,
}

impl Around {
    /// That of a target's spans, such as this one.
    fn of(target: &Target, span: &Span) -> io::Result<Self> {
        /// Within a text of the resource, its quotes would be escaped.
        const SPANS: &[u8] = b"\"spans\":[";
        let mut before = serde_json::to_vec(&without_spans(target, span))?;
        let place = before.windows(SPANS.len()).rposition(|at| at == SPANS);
        let place = place.ok_or_else(|| io::Error::other("OTLP's JSON has no place for spans"))?;
        let after = before.split_off(place + SPANS.len());
        Ok(Self { before, after })
    }
}

/// As the SDK groups spans.
fn without_spans(target: &Target, span: &Span) -> TracesData {
    let resource = encode::resource(target);
    let span = encode::span_data(span, &encode::scope());
    let mut resource_spans = group_spans_by_resource_and_scope(vec![span], &(&resource).into());
    for spans in &mut resource_spans {
        // The SDK keeps a resource in a hash map.
        if let Some(resource) = &mut spans.resource {
            resource.attributes.sort_by(|a, b| a.key.cmp(&b.key));
        }
        for scope in &mut spans.scope_spans {
            scope.spans.clear();
        }
    }
    TracesData { resource_spans }
}

#[cfg(test)]
mod tests {
    use std::{fs, sync::Arc, time::Duration};

    use opentelemetry_proto::tonic::trace::v1::TracesData;
    use serde_json::{Value, json};
    use tempfile::TempDir;
    use tokio::sync::mpsc;

    use super::super::{
        BatchConfig, DropReason, ExportConfig, Exporters, JsonlDestination, Sampler, Say, sample,
    };

    fn config(destination: JsonlDestination) -> ExportConfig {
        let delay = Duration::from_secs(20);
        ExportConfig {
            otlp: None,
            waterfall: false,
            jsonl: vec![destination],
            folded: Vec::new(),
            batch: BatchConfig {
                delay,
                max_batch: 3,
                max_queue: 8,
            },
            sampler: Sampler::All,
            warnings: Vec::new(),
        }
    }

    #[tokio::test]
    async fn lines_follow_the_json_mapping() {
        let directory = TempDir::new().expect("a directory");
        let path = directory.path().join("spans.jsonl");
        fs::write(&path, "{}\n").expect("written");
        let say: Say = Arc::new(|text: &str| panic!("{text}"));
        let config = config(JsonlDestination::File(path.clone()));
        let mut exporters = Exporters::start(&config, &say).expect("started");
        exporters.target(&sample::target(1, "shop"));
        exporters.target(&sample::target(2, "other"));
        let spans = vec![
            sample::full_span(1, 1),
            sample::span(2, 2),
            sample::span(1, 3),
        ];
        exporters.export(spans);
        exporters.export(vec![sample::span(1, 4)]);
        let summary = exporters.shutdown(Duration::from_secs(20)).await;
        assert_eq!(summary.exporters[0].sent, 4);

        let text = fs::read_to_string(&path).expect("read");
        let lines: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect();
        assert_eq!(lines[0], json!({}), "a file that exists is added to");
        let spans = lines[1..].iter().flat_map(|line| {
            let data: TracesData = serde_json::from_value(line.clone()).expect("OTLP");
            let resources = data.resource_spans.into_iter();
            resources
                .flat_map(|resource| resource.scope_spans)
                .flat_map(|scope| scope.spans)
        });
        assert_eq!(spans.count(), 4);
        let resource = &lines[1]["resourceSpans"][0];
        assert_eq!(
            resource["resource"]["attributes"],
            json!([{"key": "service.name", "value": {"stringValue": "shop"}}])
        );
        let scope = &resource["scopeSpans"][0];
        assert_eq!(scope["scope"]["name"], "hotspan");
        check_span(&scope["spans"][0]);
        let other = &lines[2]["resourceSpans"][0];
        assert_eq!(
            other["resource"]["attributes"],
            json!([{"key": "service.name", "value": {"stringValue": "other"}}])
        );
    }

    /// Against <https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding>: ids in hexadecimal,
    /// 64-bit integers as text, enumerations as numbers, lowerCamelCase keys.
    #[track_caller]
    fn check_span(span: &Value) {
        assert_eq!(span["traceId"], "07070707070707070707070707070707");
        assert_eq!(span["spanId"], "0000000000000001");
        assert_eq!(span["parentSpanId"], "0909090909090909");
        assert_eq!(span["kind"], 1);
        assert_eq!(span["flags"], 0x101);
        assert_eq!(span["startTimeUnixNano"], "1700000000000000001");
        assert_eq!(span["status"], json!({"code": 2, "message": "it failed"}));
        assert_eq!(span["droppedEventsCount"], 2);
        assert_eq!(
            span["attributes"][0],
            json!({"key": "optim.num_variables", "value": {"intValue": "9007199254740993"}})
        );
        assert_eq!(span["attributes"][1]["value"], json!({"doubleValue": 12.5}));
        assert_eq!(span["events"][0]["timeUnixNano"], "1700000000400000003");
        assert_eq!(span["links"][0]["spanId"], "0404040404040404");
    }

    #[tokio::test]
    async fn a_source_that_waits_loses_nothing() {
        let directory = TempDir::new().expect("a directory");
        let say: Say = Arc::new(|text: &str| panic!("{text}"));
        let config = config(JsonlDestination::File(directory.path().join("spans.jsonl")));
        let mut exporters = Exporters::start(&config, &say).expect("started");
        for number in 0..100 {
            exporters.room().await;
            exporters.export((0..4).map(|part| sample::span(1, 4 * number + part)));
        }
        let summary = exporters.shutdown(Duration::from_secs(20)).await;
        assert_eq!((summary.exporters[0].sent, summary.dropped()), (400, 0));
    }

    #[tokio::test]
    async fn a_full_disk_is_said_once_and_counted() {
        let (sender, mut said) = mpsc::unbounded_channel();
        let say: Say = Arc::new(move |text: &str| sender.send(text.to_owned()).expect("heard"));
        let config = config(JsonlDestination::File("/dev/full".into()));
        let mut exporters = Exporters::start(&config, &say).expect("started");
        for number in 0..6 {
            exporters.export(vec![sample::span(1, number)]);
        }
        let summary = exporters.shutdown(Duration::from_secs(20)).await;
        assert_eq!(summary.exporters[0].dropped, [(DropReason::WriteFailed, 6)]);
        drop(config);
        assert_eq!(
            said.recv().await.as_deref(),
            Some("jsonl /dev/full: No space left on device (os error 28); spans are dropped")
        );
        assert_eq!(said.try_recv().ok(), None);
    }

    #[test]
    fn a_file_that_cannot_be_opened_is_named() {
        let say: Say = Arc::new(|_: &str| {});
        let config = config(JsonlDestination::File("/nowhere/a".into()));
        let error = Exporters::start(&config, &say)
            .expect_err("refused")
            .to_string();
        assert_eq!(
            error,
            "jsonl /nowhere/a: No such file or directory (os error 2)"
        );
    }
}
