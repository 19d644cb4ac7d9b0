//! What a target's environment says of OpenTelemetry, by the names that its specification gives.
//!
//! No other variable is looked at. `/proc/PID/environ` is the environment that the process was
//! started with: what a program sets for itself later is not there.

use std::{collections::BTreeMap, fmt, fs, io, str};

use percent_encoding::percent_decode_str;

use super::endpoint::Endpoint;

/// A value that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The value, for use in an exporter and nowhere else.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Settings for an OTLP exporter: those for all signals, or those for traces that go before them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OtlpSettings {
    /// `OTEL_EXPORTER_OTLP_[TRACES_]ENDPOINT`.
    pub endpoint: Option<Endpoint>,
    /// `OTEL_EXPORTER_OTLP_[TRACES_]PROTOCOL`.
    pub protocol: Option<String>,
    /// `OTEL_EXPORTER_OTLP_[TRACES_]HEADERS`.
    pub headers: Option<Secret>,
    /// `OTEL_EXPORTER_OTLP_[TRACES_]CERTIFICATE`: a path, as the target sees it.
    pub certificate: Option<Secret>,
}

/// The environment of a target, as far as the specification names it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TargetEnvironment {
    /// `OTEL_SERVICE_NAME`.
    pub service_name: Option<String>,
    /// `OTEL_RESOURCE_ATTRIBUTES`, decoded; empty if it is malformed, as the specification asks.
    pub resource_attributes: Vec<(String, String)>,
    /// `OTEL_RESOURCE_ATTRIBUTES` is set and cannot be decoded.
    pub malformed_attributes: bool,
    /// Exporter settings for all signals.
    pub otlp: OtlpSettings,
    /// Exporter settings for traces.
    pub otlp_traces: OtlpSettings,
    /// `OTEL_TRACES_SAMPLER`.
    pub sampler: Option<String>,
    /// `OTEL_TRACES_SAMPLER_ARG`.
    pub sampler_argument: Option<String>,
    /// `OTEL_TRACES_EXPORTER`.
    pub traces_exporter: Option<String>,
    /// `OTEL_SDK_DISABLED` is "true".
    pub sdk_disabled: bool,
}

/// All of a target's `OTEL_*` variables, as an SDK in it would find them: to export where it does.
#[derive(Debug, Default)]
pub struct OtelVariables(BTreeMap<String, Secret>);

impl OtelVariables {
    /// Reads the environment of a process, by its id in hotspan's own pid namespace.
    pub fn read(pid: u32) -> io::Result<Self> {
        let environ = fs::read(format!("/proc/{pid}/environ"))?;
        let variables = variables(&environ)
            .filter(|(name, _)| name.starts_with("OTEL_"))
            .map(|(name, value)| (name.to_owned(), Secret(value.to_owned())));
        Ok(Self(variables.collect()))
    }

    /// The value of one of them.
    pub fn get(&self, name: &str) -> Option<String> {
        self.0.get(name).map(|value| value.reveal().to_owned())
    }
}

/// The `NAME=VALUE` strings of an environment; what is not UTF-8 is passed over: the
/// specification's values are text.
fn variables(environ: &[u8]) -> impl Iterator<Item = (&str, &str)> {
    environ
        .split(|&byte| byte == 0)
        .filter_map(|variable| str::from_utf8(variable).ok()?.split_once('='))
}

impl TargetEnvironment {
    /// Reads the environment of a process, by its id in hotspan's own pid namespace.
    pub fn read(pid: u32) -> io::Result<Self> {
        Ok(Self::parse(&fs::read(format!("/proc/{pid}/environ"))?))
    }

    /// Parses `NAME=VALUE` strings, each ended by a NUL.
    pub fn parse(environ: &[u8]) -> Self {
        let mut environment = Self::default();
        for (name, value) in variables(environ) {
            // The specification: an empty value means the same as none.
            if let Some(name) = name.strip_prefix("OTEL_").filter(|_| !value.is_empty()) {
                environment.set(name, value);
            }
        }
        environment
    }

    fn set(&mut self, name: &str, value: &str) {
        let owned = || Some(value.to_owned());
        match name {
            "SERVICE_NAME" => self.service_name = owned(),
            "RESOURCE_ATTRIBUTES" => match attributes(value) {
                Some(attributes) => self.resource_attributes = attributes,
                None => self.malformed_attributes = true,
            },
            "TRACES_SAMPLER" => self.sampler = owned(),
            "TRACES_SAMPLER_ARG" => self.sampler_argument = owned(),
            "TRACES_EXPORTER" => self.traces_exporter = owned(),
            "SDK_DISABLED" => self.sdk_disabled = value.trim().eq_ignore_ascii_case("true"),
            _ => {
                if let Some(name) = name.strip_prefix("EXPORTER_OTLP_TRACES_") {
                    self.otlp_traces.set(name, value);
                } else if let Some(name) = name.strip_prefix("EXPORTER_OTLP_") {
                    self.otlp.set(name, value);
                }
            }
        }
    }
}

impl OtlpSettings {
    fn set(&mut self, name: &str, value: &str) {
        match name {
            "ENDPOINT" => self.endpoint = Some(Endpoint::new(value)),
            "PROTOCOL" => self.protocol = Some(value.to_owned()),
            "HEADERS" => self.headers = Some(Secret(value.to_owned())),
            "CERTIFICATE" => self.certificate = Some(Secret(value.to_owned())),
            _ => {}
        }
    }
}

/// `key=value` pairs between commas, percent-encoded; `None` if one of them is not.
fn attributes(text: &str) -> Option<Vec<(String, String)>> {
    let decode = |text: &str| {
        let decoded = percent_decode_str(text.trim()).decode_utf8().ok()?;
        Some(decoded.into_owned())
    };
    let pairs = text.split(',').filter(|pair| !pair.trim().is_empty());
    pairs
        .map(|pair| {
            let (key, value) = pair.split_once('=')?;
            let key = decode(key).filter(|key| !key.is_empty())?;
            Some((key, decode(value)?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(variables: &[&str]) -> TargetEnvironment {
        TargetEnvironment::parse(variables.join("\0").as_bytes())
    }

    #[test]
    fn attributes_are_decoded_or_discarded_as_a_whole() {
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let cases = [
            ("a=1,b=2", Some(vec![pair("a", "1"), pair("b", "2")])),
            (
                " a = x y , b=%20%2C%3D ",
                Some(vec![pair("a", "x y"), pair("b", " ,=")]),
            ),
            ("a=b=c,", Some(vec![pair("a", "b=c")])),
            ("k%C3%A9=%E2%82%AC", Some(vec![pair("ké", "€")])),
            ("a=", Some(vec![pair("a", "")])),
            ("a=1,b", None),
            ("=1", None),
            ("a=%ff", None),
        ];
        for (text, expected) in cases {
            let environment = parse(&[&format!("OTEL_RESOURCE_ATTRIBUTES={text}")]);
            assert_eq!(
                environment.malformed_attributes,
                expected.is_none(),
                "{text}"
            );
            assert_eq!(
                environment.resource_attributes,
                expected.unwrap_or_default(),
                "{text}"
            );
        }
    }

    #[test]
    fn variables_are_read_by_name() {
        let environment = parse(&[
            "OTEL_SERVICE_NAME=solver",
            "OTEL_EXPORTER_OTLP_ENDPOINT=http://all:4318",
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://traces:4318/v1/traces",
            "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=grpc",
            "OTEL_TRACES_SAMPLER=traceidratio",
            "OTEL_TRACES_SAMPLER_ARG=0.25",
            "OTEL_TRACES_EXPORTER=none",
            "OTEL_SDK_DISABLED=True",
            "SECRET=x",
            "without a sign",
        ]);
        let expected = TargetEnvironment {
            service_name: Some("solver".to_owned()),
            otlp: OtlpSettings {
                endpoint: Some(Endpoint::new("http://all:4318")),
                ..OtlpSettings::default()
            },
            otlp_traces: OtlpSettings {
                endpoint: Some(Endpoint::new("http://traces:4318/v1/traces")),
                protocol: Some("grpc".to_owned()),
                ..OtlpSettings::default()
            },
            sampler: Some("traceidratio".to_owned()),
            sampler_argument: Some("0.25".to_owned()),
            traces_exporter: Some("none".to_owned()),
            sdk_disabled: true,
            ..TargetEnvironment::default()
        };
        assert_eq!(environment, expected);
    }

    #[test]
    fn empty_is_unset() {
        let environment = parse(&[
            "OTEL_SERVICE_NAME=",
            "OTEL_SDK_DISABLED=",
            "OTEL_RESOURCE_ATTRIBUTES=",
        ]);
        assert_eq!(environment, TargetEnvironment::default());
    }

    #[test]
    fn headers_are_kept_and_not_printed() {
        let environment = parse(&[
            "OTEL_EXPORTER_OTLP_HEADERS=authorization=hunter2",
            "OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE=/run/hunter2.pem",
            "OTEL_EXPORTER_OTLP_ENDPOINT=https://me:hunter2@host",
        ]);
        let headers = environment.otlp.headers.as_ref().map(Secret::reveal);
        assert_eq!(headers, Some("authorization=hunter2"));
        assert!(!format!("{environment:?}").contains("hunter2"));
    }
}
