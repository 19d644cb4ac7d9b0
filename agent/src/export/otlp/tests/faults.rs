//! Endpoints that fail, in each way that they can.

use std::time::{Duration, Instant};

use tokio::net::TcpSocket;

use super::{
    BOTH, Exporting, PLENTY, config,
    receiver::{Answer, Receiver},
};
use crate::export::{DropReason, Protocol, sample};

fn spans(count: u64) -> Vec<hotspan_synth::span::Span> {
    (0..count).map(|number| sample::span(1, number)).collect()
}

#[tokio::test]
async fn answers_are_understood() {
    struct Case {
        answers: &'static [Answer],
        sent: u64,
        dropped: &'static [(DropReason, u64)],
        retries: u64,
        said: [&'static [&'static str]; 2],
        last_error: [Option<&'static str>; 2],
    }
    let cases = [
        Case {
            answers: &[Answer::Unavailable, Answer::Unavailable],
            sent: 6,
            dropped: &[],
            retries: 2,
            said: [&[], &[]],
            last_error: [None, None],
        },
        Case {
            answers: &[
                Answer::Refuse,
                Answer::Refuse,
                Answer::Accept,
                Answer::Refuse,
            ],
            sent: 0,
            dropped: &[(DropReason::Refused, 6)],
            retries: 0,
            said: [
                &["OTLP: URL refuses spans: gRPC code: Unimplemented; they are dropped"],
                &[
                    "OTLP: URL refuses spans: status code: 404 (is the path right?); they are dropped",
                ],
            ],
            last_error: [Some("gRPC code: Unimplemented"), Some("status code: 404")],
        },
        Case {
            answers: &[Answer::Reject(2), Answer::Reject(1)],
            sent: 3,
            dropped: &[(DropReason::Rejected, 3)],
            retries: 0,
            said: [&["OTLP: URL rejected 2 spans: too[31m old"]; 2],
            last_error: [Some("the receiver rejected spans"); 2],
        },
    ];
    for case in &cases {
        for (index, protocol) in BOTH.into_iter().enumerate() {
            let receiver = Receiver::start(protocol, case.answers).await;
            let config = config(protocol, &format!("http://{}", receiver.address), &[], 3);
            let url = config.otlp.as_ref().expect("OTLP").shown_endpoint();
            let mut exporting = Exporting::start(&config);
            exporting.exporters.export(spans(6));
            let said = &mut exporting.said;
            let summary = exporting.exporters.shutdown(PLENTY).await;
            let exporter = &summary.exporters[0];
            let said: Vec<_> = std::iter::from_fn(|| said.try_recv().ok())
                .map(|text| text.replace(&url, "URL"))
                .collect();
            assert_eq!(said, case.said[index], "{protocol} {:?}", case.answers);
            assert_eq!(exporter.sent, case.sent, "{protocol} {:?}", case.answers);
            assert_eq!(
                exporter.dropped, case.dropped,
                "{protocol} {:?}",
                case.answers
            );
            assert_eq!(
                exporter.retries, case.retries,
                "{protocol} {:?}",
                case.answers
            );
            assert_eq!(exporter.last_error.as_deref(), case.last_error[index]);
        }
    }
}

#[tokio::test]
async fn spans_wait_for_an_endpoint_and_the_oldest_give_way() {
    async fn check(protocol: Protocol) {
        // Bound, and not listening yet: nobody else takes the port, and it refuses connections.
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind(([127, 0, 0, 1], 0).into()).expect("a port");
        let address = socket.local_addr().expect("an address");
        let config = config(protocol, &format!("http://{address}"), &[], 1);
        let url = config.otlp.as_ref().expect("OTLP").shown_endpoint();
        let mut exporting = Exporting::start(&config);
        exporting.exporters.export(spans(1));
        let first = exporting.said.recv().await.expect("it says so");
        assert!(
            first.starts_with(&format!("OTLP: cannot send to {url}: ")),
            "{first}"
        );
        assert!(
            first.ends_with("Connection refused (os error 111); spans wait"),
            "{first}"
        );

        exporting.exporters.export(spans(11));
        let listener = socket.listen(8).expect("it listens");
        let mut receiver = Receiver::listen(protocol, listener, &[], None);
        let again = exporting.said.recv().await.expect("it says so");
        assert!(
            again.starts_with(&format!("OTLP: sending to {url} again after ")),
            "{again}"
        );
        assert!(again.ends_with("3 spans were dropped meanwhile"), "{again}");
        let mut arrived = Vec::new();
        for _ in 0..9 {
            let message = receiver.next().await.message;
            arrived.push(message.resource_spans[0].scope_spans[0].spans[0].span_id[7]);
        }
        assert_eq!(
            arrived,
            [0, 3, 4, 5, 6, 7, 8, 9, 10],
            "the oldest of those that wait give way"
        );
        assert_eq!(exporting.said_so_far(), [""; 0]);
        let summary = exporting.exporters.shutdown(PLENTY).await;
        assert_eq!(summary.exporters[0].sent, 9);
        assert_eq!(summary.exporters[0].dropped, [(DropReason::QueueFull, 3)]);
    }
    tokio::join!(check(Protocol::Grpc), check(Protocol::HttpProtobuf));
}

#[tokio::test]
async fn a_slow_endpoint_stops_nobody() {
    for protocol in BOTH {
        let mut receiver = Receiver::start(protocol, &[Answer::Hold]).await;
        let config = config(protocol, &format!("http://{}", receiver.address), &[], 1);
        let mut exporting = Exporting::start(&config);
        exporting.exporters.export(spans(1));
        receiver.next().await;
        exporting.exporters.export(spans(12));
        assert_eq!(
            exporting.exporters.summary().exporters[0].dropped,
            [(DropReason::QueueFull, 4)]
        );
        receiver.release();
        let summary = exporting.exporters.shutdown(PLENTY).await;
        assert_eq!(summary.exporters[0].sent, 9);
    }
}

#[tokio::test]
async fn the_end_is_in_time() {
    async fn check(protocol: Protocol, endpoint: &str, timeout: Duration, error: Option<&str>) {
        let mut exporting = Exporting::start(&config(protocol, endpoint, &[], 1));
        exporting.exporters.export(spans(3));
        let begun = Instant::now();
        let summary = exporting.exporters.shutdown(timeout).await;
        assert!(
            begun.elapsed() < Duration::from_secs(5),
            "{:?}",
            begun.elapsed()
        );
        assert_eq!(
            summary.exporters[0].dropped,
            [(DropReason::Shutdown, 3)],
            "{protocol}"
        );
        let last = summary.exporters[0]
            .last_error
            .as_deref()
            .unwrap_or_default();
        assert!(error.is_none_or(|error| last.contains(error)), "{last}");
    }
    for protocol in BOTH {
        // An endpoint that is not there is not waited for.
        check(
            protocol,
            "http://127.0.0.1:1",
            PLENTY,
            Some("Connection refused"),
        )
        .await;
        // One that does not answer has until the deadline.
        let receiver = Receiver::start(protocol, &[Answer::Hold]).await;
        let endpoint = format!("http://{}", receiver.address);
        check(protocol, &endpoint, Duration::from_millis(300), None).await;
    }
}

#[tokio::test]
async fn an_answer_that_does_not_come_is_a_failure() {
    async fn check(protocol: Protocol, error: &str) {
        let receiver = Receiver::start(protocol, &[Answer::Hold]).await;
        let environment = [("OTEL_EXPORTER_OTLP_TIMEOUT", "50")];
        let endpoint = format!("http://{}", receiver.address);
        let mut exporting = Exporting::start(&config(protocol, &endpoint, &environment, 1));
        exporting.exporters.export(spans(1));
        let said = exporting.said.recv().await.expect("it says so");
        assert!(said.contains(error), "{said}");
        // The next try is answered.
        let said = exporting.said.recv().await.expect("it says so");
        assert!(said.contains("again after"), "{said}");
        assert_eq!(
            exporting.exporters.shutdown(PLENTY).await.exporters[0].sent,
            1
        );
    }
    tokio::join!(
        check(Protocol::Grpc, "Timeout expired"),
        check(Protocol::HttpProtobuf, "no answer in time")
    );
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let mut receiver = Receiver::start(Protocol::HttpProtobuf, &[Answer::Redirect]).await;
    let endpoint = format!("http://{}", receiver.address);
    let mut exporting = Exporting::start(&config(Protocol::HttpProtobuf, &endpoint, &[], 1));
    exporting.exporters.export(spans(1));
    receiver.next().await;
    let summary = exporting.exporters.shutdown(PLENTY).await;
    assert_eq!(summary.exporters[0].dropped, [(DropReason::Refused, 1)]);
    assert_eq!(
        summary.exporters[0].last_error.as_deref(),
        Some("status code: 307")
    );
    assert!(receiver.received.try_recv().is_err(), "one request came");
}
