//! Endpoint URLs: what was written becomes the URL of requests.
//!
//! Rules: <https://opentelemetry.io/docs/specs/otel/protocol/exporter/#endpoint-urls-for-otlphttp>.

use std::net::IpAddr;

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderValue, Uri, uri::Authority};
use percent_encoding::percent_decode_str;

use super::Protocol;

/// The path of trace requests under a base URL.
const TRACES_PATH: &str = "/v1/traces";

/// How the path of an HTTP endpoint is to be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PathRule {
    /// A base URL: [`TRACES_PATH`] is added.
    Append,
    /// A base URL as people type it: [`TRACES_PATH`] is added unless it is there.
    AppendIfMissing,
    /// The URL of requests, as it is.
    Exact,
}

/// An endpoint, ready for requests.
#[derive(Debug)]
pub(super) struct Endpoint {
    /// Without user name and password.
    pub(super) url: Uri,
    /// What the user name and password become: basic authentication.
    pub(super) authorization: Option<HeaderValue>,
}

/// Parses `text`, which may lack a scheme: then `insecure` decides, and where it is unset, a loopback
/// host is taken to speak plain HTTP and any other TLS.
pub(super) fn parse(
    text: &str,
    protocol: Protocol,
    rule: PathRule,
    insecure: Option<bool>,
) -> Result<Endpoint, String> {
    let text = text.trim();
    let uri: Uri = with_scheme(text, insecure)
        .parse()
        .map_err(|error: http::uri::InvalidUri| format!("not a URL: {error}"))?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err("not an http or https URL".to_owned());
    }
    if uri.host().is_none_or(str::is_empty) {
        return Err("no host in the URL".to_owned());
    }
    let (uri, authorization) = without_credentials(uri)?;
    let url = match protocol {
        Protocol::Grpc => uri,
        Protocol::HttpProtobuf => with_path(uri, rule)?,
    };
    Ok(Endpoint { url, authorization })
}

/// The port that is written in `text`, if any.
pub(super) fn written_port(text: &str) -> Option<u16> {
    with_scheme(text.trim(), Some(true))
        .parse::<Uri>()
        .ok()?
        .port_u16()
}

fn with_scheme(text: &str, insecure: Option<bool>) -> String {
    if text.contains("://") {
        return text.to_owned();
    }
    let host_is_loopback = || {
        let uri = format!("http://{text}").parse::<Uri>();
        uri.is_ok_and(|uri| uri.host().is_some_and(is_loopback))
    };
    let plain = insecure.unwrap_or_else(host_is_loopback);
    format!("{}://{text}", if plain { "http" } else { "https" })
}

/// Whether `host` (in brackets, if it is an IPv6 address) is this host.
pub(super) fn is_loopback(host: &str) -> bool {
    let address = host
        .trim_start_matches('[')
        .trim_end_matches(']')
        .parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

fn without_credentials(uri: Uri) -> Result<(Uri, Option<HeaderValue>), String> {
    let not_a_url = |error: &dyn std::fmt::Display| format!("not a URL: {error}");
    let mut parts = uri.into_parts();
    let mut authorization = None;
    let split = parts
        .authority
        .as_ref()
        .and_then(|authority| authority.as_str().rsplit_once('@'));
    if let Some((credentials, host)) = split {
        authorization = Some(basic(credentials).map_err(|error| not_a_url(&error))?);
        let host: Authority = host.parse().map_err(|error| not_a_url(&error))?;
        parts.authority = Some(host);
    }
    Uri::from_parts(parts)
        .map(|uri| (uri, authorization))
        .map_err(|error| not_a_url(&error))
}

/// RFC 7617.
fn basic(credentials: &str) -> Result<HeaderValue, http::header::InvalidHeaderValue> {
    let decoded: Vec<u8> = percent_decode_str(credentials).collect();
    let mut value = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(decoded)))?;
    value.set_sensitive(true);
    Ok(value)
}

fn with_path(uri: Uri, rule: PathRule) -> Result<Uri, String> {
    let path = uri.path().trim_end_matches('/');
    let append = match rule {
        PathRule::Exact => false,
        PathRule::Append => true,
        PathRule::AppendIfMissing => !path.ends_with(TRACES_PATH),
    };
    if !append {
        return Ok(uri);
    }
    let query = uri
        .query()
        .map(|query| format!("?{query}"))
        .unwrap_or_default();
    let path_and_query = format!("{path}{TRACES_PATH}{query}");
    let mut parts = uri.into_parts();
    parts.path_and_query = Some(
        path_and_query
            .parse()
            .map_err(|error| format!("not a URL: {error}"))?,
    );
    Uri::from_parts(parts).map_err(|error| format!("not a URL: {error}"))
}
