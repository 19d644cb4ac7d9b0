//! Requests to the services.

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, TcpStream},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result};
use serde_json::Value;
use ureq::Agent;

/// Longest time that an answer may take.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A connection that is kept open.
pub type Client = Agent;

/// A client for one thread of load.
pub fn client() -> Agent {
    Agent::config_builder()
        .timeout_global(Some(TIMEOUT))
        .build()
        .into()
}

/// A GET whose answer is JSON.
pub fn get(client: &Agent, port: u16, path: &str) -> Result<Value> {
    send(client, port, path, None)
}

/// The same as part of a trace: `traceparent` as W3C writes it.
pub fn get_in_trace(client: &Agent, port: u16, path: &str, traceparent: &str) -> Result<Value> {
    send(client, port, path, Some(traceparent))
}

/// A POST of JSON whose answer is JSON.
pub fn post(client: &Agent, port: u16, path: &str, body: &Value) -> Result<Value> {
    client
        .post(format!("http://127.0.0.1:{port}{path}"))
        .header("content-type", "application/json")
        .send(body.to_string())
        .with_context(|| format!("POST {path} failed"))?
        .body_mut()
        .read_json()
        .with_context(|| format!("POST {path}: the answer is no JSON"))
}

/// When a request went out, and what came back as server-sent events, by the system's clock.
#[derive(Clone, Copy, Debug)]
pub struct Streamed {
    /// Just before the request is written into a connection that stands.
    pub sent_ns: u64,
    /// When the read returned that brought the first event.
    pub first_ns: u64,
    /// How many events came.
    pub events: usize,
}

/// A POST that has gone out, to be answered with server-sent events.
pub struct Posted {
    connection: TcpStream,
    path: String,
    /// Just before it was written into a connection that stands.
    pub sent_ns: u64,
}

/// A POST as part of a trace. By the bare socket: what the client takes for itself is a read.
pub fn post_in_trace(port: u16, path: &str, body: &Value, traceparent: &str) -> Result<Posted> {
    let body = body.to_string();
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\ncontent-type: application/json\r\n\
         content-length: {}\r\ntraceparent: {traceparent}\r\n\r\n{body}",
        body.len()
    );
    let mut connection =
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).context("nobody listens")?;
    connection.set_nodelay(true)?;
    connection.set_read_timeout(Some(TIMEOUT))?;
    let sent_ns = unix_ns()?;
    (connection.write_all(request.as_bytes())).with_context(|| format!("POST {path} failed"))?;
    Ok(Posted {
        connection,
        path: path.to_owned(),
        sent_ns,
    })
}

impl Posted {
    /// Reads the answer to its end.
    pub fn events(self) -> Result<Streamed> {
        let Self {
            mut connection,
            path,
            sent_ns,
        } = self;
        let (mut answer, mut buffer, mut first_ns) = (Vec::new(), [0; 16 << 10], None);
        loop {
            let count = (connection.read(&mut buffer)).context("the answer broke off")?;
            let now = unix_ns()?;
            if count == 0 {
                break;
            }
            answer.extend_from_slice(&buffer[..count]);
            if first_ns.is_none() && events(&answer) > 0 {
                first_ns = Some(now);
            }
        }
        let first_ns = first_ns.with_context(|| {
            format!(
                "POST {path}: no event came: {}",
                String::from_utf8_lossy(&answer)
            )
        })?;
        Ok(Streamed {
            sent_ns,
            first_ns,
            events: events(&answer),
        })
    }
}

/// Events of an answer: each is sent as a chunk of its own, so that its name is never cut.
fn events(answer: &[u8]) -> usize {
    let name = b"\ndata:";
    (answer.windows(name.len()))
        .filter(|window| window == name)
        .count()
}

/// Unix time in nanoseconds.
fn unix_ns() -> Result<u64> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH)?;
    Ok(u64::try_from(since.as_nanos())?)
}

fn send(client: &Agent, port: u16, path: &str, traceparent: Option<&str>) -> Result<Value> {
    let mut request = client.get(format!("http://127.0.0.1:{port}{path}"));
    if let Some(header) = traceparent {
        request = request.header("traceparent", header);
    }
    let mut answer = request
        .call()
        .with_context(|| format!("GET {path} failed"))?;
    answer
        .body_mut()
        .read_json()
        .with_context(|| format!("GET {path}: the answer is no JSON"))
}
