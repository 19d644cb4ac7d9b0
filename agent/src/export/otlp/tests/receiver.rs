//! A real OTLP receiver in the test's own runtime, over gRPC or HTTP, that answers as it is told.

use std::{
    collections::VecDeque,
    convert::Infallible,
    io::Read,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use ::http::HeaderMap;
use bytes::Bytes;
use flate2::read::GzDecoder;
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
    trace_service_server::{TraceService, TraceServiceServer},
};
use prost::Message;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{Notify, mpsc},
};
use tokio_rustls::TlsAcceptor;
use tokio_stream::{StreamExt, wrappers::TcpListenerStream};
use tonic::{Request, Response, Status, codec::CompressionEncoding, transport::Server};

use crate::export::Protocol;

/// What the receiver says to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// All is well.
    Accept,
    /// Come back later: 503 or `UNAVAILABLE`.
    Unavailable,
    /// Never come back: 404 or `UNIMPLEMENTED`.
    Refuse,
    /// Elsewhere (HTTP only).
    Redirect,
    /// So many spans are rejected.
    Reject(i64),
    /// Nothing, until [`Receiver::release`].
    Hold,
}

/// A request as it came.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) headers: HeaderMap,
    pub(super) path: String,
    pub(super) message: ExportTraceServiceRequest,
}

/// The test's side of the receiver.
pub(super) struct Receiver {
    pub(super) address: SocketAddr,
    pub(super) received: mpsc::UnboundedReceiver<Received>,
    script: Script,
}

#[derive(Clone)]
struct Script {
    answers: Arc<Mutex<VecDeque<Answer>>>,
    received: mpsc::UnboundedSender<Received>,
    release: Arc<Notify>,
}

impl Receiver {
    /// Listens on a port of its own; `answers` in turn, then [`Answer::Accept`] for ever.
    pub(super) async fn start(protocol: Protocol, answers: &[Answer]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        Self::listen(protocol, listener, answers, None)
    }

    pub(super) fn listen(
        protocol: Protocol,
        listener: TcpListener,
        answers: &[Answer],
        tls: Option<TlsAcceptor>,
    ) -> Self {
        let address = listener.local_addr().expect("an address");
        let (sender, received) = mpsc::unbounded_channel();
        let script = Script {
            answers: Arc::new(Mutex::new(answers.iter().copied().collect())),
            received: sender,
            release: Arc::default(),
        };
        match protocol {
            Protocol::Grpc => drop(tokio::spawn(serve_grpc(listener, script.clone(), tls))),
            Protocol::HttpProtobuf => drop(tokio::spawn(serve_http(listener, script.clone(), tls))),
        }
        Self {
            address,
            received,
            script,
        }
    }

    pub(super) fn release(&self) {
        self.script.release.notify_one();
    }

    pub(super) async fn next(&mut self) -> Received {
        self.received.recv().await.expect("the receiver lives")
    }
}

impl Script {
    async fn take(&self, received: Received) -> Answer {
        let answer = self
            .answers
            .lock()
            .expect("no panic")
            .pop_front()
            .unwrap_or(Answer::Accept);
        // A test that has seen enough no longer listens.
        let _unheard = self.received.send(received);
        if answer == Answer::Hold {
            self.release.notified().await;
            return Answer::Accept;
        }
        answer
    }
}

fn response(answer: Answer) -> ExportTraceServiceResponse {
    let partial_success = match answer {
        Answer::Reject(rejected_spans) => Some(ExportTracePartialSuccess {
            rejected_spans,
            error_message: "too\u{1b}[31m old".to_owned(),
        }),
        _ => None,
    };
    ExportTraceServiceResponse { partial_success }
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

async fn secure(stream: TcpStream, tls: Option<&TlsAcceptor>) -> std::io::Result<Box<dyn Stream>> {
    Ok(match tls {
        Some(tls) => Box::new(tls.accept(stream).await?),
        None => Box::new(stream),
    })
}

async fn serve_grpc(listener: TcpListener, script: Script, tls: Option<TlsAcceptor>) {
    let service = TraceServiceServer::new(script).accept_compressed(CompressionEncoding::Gzip);
    let router = Server::builder().add_service(service);
    let served = match tls {
        None => {
            router
                .serve_with_incoming(TcpListenerStream::new(listener))
                .await
        }
        Some(tls) => {
            let incoming = TcpListenerStream::new(listener).then(move |stream| {
                let tls = tls.clone();
                async move { tls.accept(stream?).await }
            });
            router
                .serve_with_incoming(incoming.filter(Result::is_ok))
                .await
        }
    };
    served.expect("the receiver serves");
}

#[tonic::async_trait]
impl TraceService for Script {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let headers = request.metadata().clone().into_headers();
        let message = request.into_inner();
        match self
            .take(Received {
                headers,
                path: String::new(),
                message,
            })
            .await
        {
            Answer::Unavailable => Err(Status::unavailable("secret words")),
            Answer::Refuse => Err(Status::unimplemented("secret words")),
            answer => Ok(Response::new(response(answer))),
        }
    }
}

async fn serve_http(listener: TcpListener, script: Script, tls: Option<TlsAcceptor>) {
    while let Ok((stream, _)) = listener.accept().await {
        let script = script.clone();
        let tls = tls.clone();
        tokio::spawn(async move {
            let Ok(stream) = secure(stream, tls.as_ref()).await else {
                return;
            };
            let service = service_fn(move |request| answer_http(script.clone(), request));
            // A client that goes away in between is part of some tests.
            let _gone = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn answer_http(
    script: Script,
    request: hyper::Request<Incoming>,
) -> Result<hyper::Response<Full<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let mut body = body.collect().await.expect("a body").to_bytes().to_vec();
    if parts
        .headers
        .get("content-encoding")
        .is_some_and(|encoding| encoding == "gzip")
    {
        let mut plain = Vec::new();
        GzDecoder::new(body.as_slice())
            .read_to_end(&mut plain)
            .expect("gzip");
        body = plain;
    }
    let message = ExportTraceServiceRequest::decode(body.as_slice()).expect("protobuf");
    let path = parts.uri.path().to_owned();
    let answer = script
        .take(Received {
            headers: parts.headers,
            path,
            message,
        })
        .await;
    let status = match answer {
        Answer::Unavailable => 503,
        Answer::Refuse => 404,
        Answer::Redirect => 307,
        Answer::Accept | Answer::Reject(_) | Answer::Hold => 200,
    };
    let body = Full::new(Bytes::from(response(answer).encode_to_vec()));
    Ok(hyper::Response::builder()
        .status(status)
        .header("location", "/elsewhere")
        .body(body)
        .expect("a response"))
}
