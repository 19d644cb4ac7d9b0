//! Requests to the services.

use std::{
    io::{BufRead as _, BufReader},
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use serde_json::Value;
use ureq::Agent;

/// A connection that is kept open.
pub type Client = Agent;

/// A client for one thread of load.
pub fn client() -> Agent {
    Agent::config_builder()
        .timeout_global(Some(Duration::from_secs(60)))
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

/// A POST as part of a trace that is answered with server-sent events: how long until the first of them
/// was there, and how many came.
pub fn post_for_events(
    client: &Agent,
    port: u16,
    path: &str,
    body: &Value,
    traceparent: &str,
) -> Result<(Duration, usize)> {
    let begun = Instant::now();
    let mut answer = client
        .post(format!("http://127.0.0.1:{port}{path}"))
        .header("content-type", "application/json")
        .header("traceparent", traceparent)
        .send(body.to_string())
        .with_context(|| format!("POST {path} failed"))?;
    let (mut first, mut events) = (None, 0);
    for line in BufReader::new(answer.body_mut().as_reader()).lines() {
        if line.context("the answer broke off")?.starts_with("data:") {
            first.get_or_insert_with(|| begun.elapsed());
            events += 1;
        }
    }
    let first = first.with_context(|| format!("POST {path}: no event came"))?;
    Ok((first, events))
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
