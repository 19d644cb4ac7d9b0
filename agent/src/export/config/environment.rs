//! From the standard environment variables and the flags to an [`ExportConfig`].
//!
//! <https://opentelemetry.io/docs/specs/otel/protocol/exporter/> and
//! <https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/>: an empty value
//! is no value; a value that cannot be used is warned about and its default taken. An endpoint that
//! cannot be used is an error: spans would go nowhere.

use std::{path::PathBuf, time::Duration};

use http::header::AUTHORIZATION;

use super::{
    BatchConfig, Compression, ConfigError, EnvironmentOrigin, ExportChoice, ExportConfig,
    ExportOverrides, OtlpConfig, Protocol, Sampler, TlsFiles,
    endpoint::{self, PathRule},
    headers,
};

/// Bound on one request unless `OTEL_EXPORTER_OTLP_TIMEOUT` says otherwise.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

impl ExportConfig {
    /// Reads the settings: `read` gives the value of an environment variable, `overrides` what flags
    /// say.
    ///
    /// # Errors
    /// An endpoint that is no `http` or `https` URL.
    pub fn from_environment(
        read: impl Fn(&str) -> Option<String>,
        overrides: &ExportOverrides,
    ) -> Result<Self, ConfigError> {
        let mut reader = Reader {
            read: &read,
            overrides,
            warnings: Vec::new(),
        };
        let endpoint_is_set = reader.written_endpoint().is_some();
        let mut config = Self {
            otlp: None,
            waterfall: overrides.exports.contains(&ExportChoice::Waterfall),
            jsonl: jsonl_destinations(&overrides.exports),
            folded: folded_files(&overrides.exports),
            batch: reader.batch(),
            sampler: reader.sampler(),
            warnings: Vec::new(),
        };
        let by_default = overrides.exports.is_empty();
        if overrides.exports.contains(&ExportChoice::Otlp) || by_default && endpoint_is_set {
            config.otlp = Some(reader.otlp()?);
        } else {
            config.waterfall |= by_default;
        }
        config.warnings = reader.warnings;
        Ok(config)
    }
}

fn jsonl_destinations(choices: &[ExportChoice]) -> Vec<super::JsonlDestination> {
    choices
        .iter()
        .filter_map(|choice| match choice {
            ExportChoice::Jsonl(destination) => Some(destination.clone()),
            ExportChoice::Otlp | ExportChoice::Waterfall | ExportChoice::Folded(_) => None,
        })
        .collect()
}

fn folded_files(choices: &[ExportChoice]) -> Vec<PathBuf> {
    choices
        .iter()
        .filter_map(|choice| match choice {
            ExportChoice::Folded(file) => Some(file.clone()),
            ExportChoice::Otlp | ExportChoice::Waterfall | ExportChoice::Jsonl(_) => None,
        })
        .collect()
}

/// An endpoint as somebody wrote it.
struct Written {
    setting: &'static str,
    text: String,
    rule: PathRule,
}

struct Reader<'a> {
    read: &'a dyn Fn(&str) -> Option<String>,
    overrides: &'a ExportOverrides,
    warnings: Vec<String>,
}

impl Reader<'_> {
    fn variable(&self, name: &str) -> Option<String> {
        (self.read)(name).filter(|value| !value.trim().is_empty())
    }

    /// The variable for traces, else the one for all signals, with the name that was found.
    fn signal(&self, suffix: &str) -> Option<(String, String)> {
        [
            format!("OTEL_EXPORTER_OTLP_TRACES_{suffix}"),
            format!("OTEL_EXPORTER_OTLP_{suffix}"),
        ]
        .into_iter()
        .find_map(|name| self.variable(&name).map(|value| (name, value)))
    }

    fn warn(&mut self, name: &str, reason: &str) {
        self.warnings
            .push(format!("{name}: {reason}; using the default"));
    }

    fn of_target(&self) -> bool {
        self.overrides.origin != EnvironmentOrigin::Own
    }

    fn otlp(&mut self) -> Result<OtlpConfig, ConfigError> {
        let written = self.written_endpoint();
        let protocol = self.protocol(written.as_ref());
        let written = written.unwrap_or_else(|| Written {
            setting: "endpoint",
            text: format!("http://localhost:{}", protocol.default_port()),
            rule: PathRule::Append,
        });
        let insecure = self
            .signal("INSECURE")
            .map(|(_, value)| value.trim().eq_ignore_ascii_case("true"));
        let endpoint =
            endpoint::parse(&written.text, protocol, written.rule, insecure).map_err(|reason| {
                ConfigError {
                    setting: written.setting.to_owned(),
                    reason,
                }
            })?;
        let mut headers = self.headers();
        if let Some(authorization) = endpoint.authorization {
            headers.entry(AUTHORIZATION).or_insert(authorization);
        }
        Ok(OtlpConfig {
            endpoint: endpoint.url,
            protocol,
            headers,
            compression: self.compression(),
            timeout: self.timeout(),
            tls: self.tls(),
        })
    }

    fn written_endpoint(&self) -> Option<Written> {
        let flag = self.overrides.endpoint.clone().map(|text| Written {
            setting: "--otlp-endpoint",
            text,
            rule: PathRule::AppendIfMissing,
        });
        let from = |setting, rule| {
            self.variable(setting).map(|text| Written {
                setting,
                text,
                rule,
            })
        };
        flag.or_else(|| from("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", PathRule::Exact))
            .or_else(|| from("OTEL_EXPORTER_OTLP_ENDPOINT", PathRule::Append))
    }

    /// What is said, else what the target's choice of exporter or the port implies, else the default
    /// of whoever reads this environment.
    fn protocol(&mut self, written: Option<&Written>) -> Protocol {
        let by_default = if self.of_target() {
            Protocol::Grpc
        } else {
            Protocol::HttpProtobuf
        };
        self.overrides
            .protocol
            .or_else(|| self.stated_protocol())
            .or_else(|| self.protocol_of_targets_exporter())
            .or_else(
                || match written.and_then(|written| endpoint::written_port(&written.text)) {
                    Some(4317) => Some(Protocol::Grpc),
                    Some(4318) => Some(Protocol::HttpProtobuf),
                    _ => None,
                },
            )
            .unwrap_or(by_default)
    }

    fn stated_protocol(&mut self) -> Option<Protocol> {
        let (name, value) = self.signal("PROTOCOL")?;
        if value.trim().eq_ignore_ascii_case("http/json") {
            // Receivers of OTLP's JSON take protobuf at the same URL.
            self.warnings.push(format!(
                "{name}: http/json is not spoken; using http/protobuf"
            ));
            return Some(Protocol::HttpProtobuf);
        }
        match value.trim().parse() {
            Ok(protocol) => Some(protocol),
            Err(reason) => {
                self.warn(&name, &reason);
                None
            }
        }
    }

    /// Python's SDK can name the protocol in the exporter's name.
    fn protocol_of_targets_exporter(&self) -> Option<Protocol> {
        let exporters = self
            .of_target()
            .then(|| self.variable("OTEL_TRACES_EXPORTER"))??;
        exporters
            .split(',')
            .find_map(|exporter| match exporter.trim() {
                "otlp_proto_http" => Some(Protocol::HttpProtobuf),
                "otlp_proto_grpc" => Some(Protocol::Grpc),
                _ => None,
            })
    }

    fn headers(&mut self) -> http::HeaderMap {
        let Some((name, value)) = self.signal("HEADERS") else {
            return http::HeaderMap::new();
        };
        let (headers, refused) = headers::parse(&value);
        for position in refused {
            self.warnings.push(format!(
                "{name}: entry {position} is not a header; left out"
            ));
        }
        headers
    }

    fn compression(&mut self) -> Option<Compression> {
        let (name, value) = self.signal("COMPRESSION")?;
        match value.trim().to_ascii_lowercase().as_str() {
            "gzip" => Some(Compression::Gzip),
            "none" => None,
            _ => {
                self.warn(&name, "not gzip or none");
                None
            }
        }
    }

    fn timeout(&mut self) -> Duration {
        if self.of_target() {
            return DEFAULT_TIMEOUT;
        }
        let Some((name, value)) = self.signal("TIMEOUT") else {
            return DEFAULT_TIMEOUT;
        };
        self.positive(&name, &value)
            .map_or(DEFAULT_TIMEOUT, Duration::from_millis)
    }

    fn tls(&self) -> TlsFiles {
        let file = |suffix| {
            self.signal(suffix)
                .map(|(_, path)| self.resolve(path.trim()))
        };
        TlsFiles {
            certificate: file("CERTIFICATE"),
            client_certificate: file("CLIENT_CERTIFICATE"),
            client_key: file("CLIENT_KEY"),
        }
    }

    fn resolve(&self, path: &str) -> PathBuf {
        match &self.overrides.origin {
            EnvironmentOrigin::Own => path.into(),
            EnvironmentOrigin::Target { root } => root.join(path.trim_start_matches('/')),
        }
    }

    fn batch(&mut self) -> BatchConfig {
        let mut batch = BatchConfig::default();
        if self.of_target() {
            return batch;
        }
        if let Some(delay) = self.number("OTEL_BSP_SCHEDULE_DELAY") {
            batch.delay = Duration::from_millis(delay);
        }
        let size = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        batch.max_queue = self
            .number("OTEL_BSP_MAX_QUEUE_SIZE")
            .map_or(batch.max_queue, size);
        batch.max_batch = self
            .number("OTEL_BSP_MAX_EXPORT_BATCH_SIZE")
            .map_or(batch.max_batch, size);
        if batch.max_batch > batch.max_queue {
            self.warnings.push(format!(
                "OTEL_BSP_MAX_EXPORT_BATCH_SIZE: larger than the queue; using {}",
                batch.max_queue
            ));
            batch.max_batch = batch.max_queue;
        }
        batch
    }

    fn sampler(&mut self) -> Sampler {
        let sampler = if self.of_target() {
            None
        } else {
            self.variable("OTEL_TRACES_SAMPLER")
        };
        match sampler.as_deref().map(str::trim) {
            None => Sampler::All,
            Some("always_off") => Sampler::None,
            Some("traceidratio") => self.ratio(),
            Some(name) if name == "always_on" || name.starts_with("parentbased_") => Sampler::All,
            Some(_) => {
                self.warn("OTEL_TRACES_SAMPLER", "not a sampler that hotspan knows");
                Sampler::All
            }
        }
    }

    fn ratio(&mut self) -> Sampler {
        const NAME: &str = "OTEL_TRACES_SAMPLER_ARG";
        let Some(text) = self.variable(NAME) else {
            return Sampler::TraceIdRatio(1.0);
        };
        match text.trim().parse::<f64>() {
            Ok(ratio) if (0.0..=1.0).contains(&ratio) => Sampler::TraceIdRatio(ratio),
            _ => {
                self.warn(NAME, "not a number from 0 to 1");
                Sampler::TraceIdRatio(1.0)
            }
        }
    }

    fn number(&mut self, name: &str) -> Option<u64> {
        let value = self.variable(name)?;
        self.positive(name, &value)
    }

    fn positive(&mut self, name: &str, value: &str) -> Option<u64> {
        match value.trim().parse() {
            Ok(number) if number > 0 => Some(number),
            _ => {
                self.warn(name, "not a positive whole number");
                None
            }
        }
    }
}
