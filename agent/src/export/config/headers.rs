//! `OTEL_EXPORTER_OTLP_HEADERS`: `key=value` pairs, comma-separated, values percent-encoded.

use http::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::percent_decode_str;

/// Parses the list. The second value names entries that are no headers, by position: what stands
/// there may be a secret.
pub(super) fn parse(text: &str) -> (HeaderMap, Vec<usize>) {
    let mut headers = HeaderMap::new();
    let mut refused = Vec::new();
    for (index, entry) in text.split(',').enumerate() {
        if entry.trim().is_empty() {
            continue;
        }
        match header(entry) {
            Some((name, value)) => {
                headers.append(name, value);
            }
            None => refused.push(index + 1),
        }
    }
    (headers, refused)
}

fn header(entry: &str) -> Option<(HeaderName, HeaderValue)> {
    let (name, value) = entry.split_once('=')?;
    let name = HeaderName::from_bytes(name.trim().as_bytes()).ok()?;
    let value: Vec<u8> = percent_decode_str(value.trim()).collect();
    let mut value = HeaderValue::from_bytes(&value).ok()?;
    value.set_sensitive(true);
    Some((name, value))
}
