//! Requests to the services.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;
use ureq::Agent;

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
