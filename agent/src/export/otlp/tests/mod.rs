mod content;
mod faults;
mod receiver;
mod tls;

use std::{sync::Arc, time::Duration};

use tokio::sync::mpsc;

use super::Say;
use crate::export::{
    BatchConfig, ExportConfig, ExportOverrides, Exporters, Protocol, config::ExportChoice,
};

const BOTH: [Protocol; 2] = [Protocol::Grpc, Protocol::HttpProtobuf];
/// Far more than anything here takes.
const PLENTY: Duration = Duration::from_secs(20);

/// An exporter for one endpoint, and what it says.
struct Exporting {
    exporters: Exporters,
    said: mpsc::UnboundedReceiver<String>,
}

/// A configuration as the environment would make it; batches go out at once when full, and they are
/// full with `max_batch` spans.
fn config(
    protocol: Protocol,
    endpoint: &str,
    environment: &[(&str, &str)],
    max_batch: usize,
) -> ExportConfig {
    let overrides = ExportOverrides {
        exports: vec![ExportChoice::Otlp],
        endpoint: Some(endpoint.to_owned()),
        protocol: Some(protocol),
        ..ExportOverrides::default()
    };
    let read = |name: &str| {
        environment
            .iter()
            .find(|(key, _)| *key == name)
            .map(|&(_, value)| value.to_owned())
    };
    let mut config = ExportConfig::from_environment(read, &overrides).expect("a configuration");
    config.batch = BatchConfig {
        delay: PLENTY,
        max_batch,
        max_queue: 8,
    };
    config
}

impl Exporting {
    fn start(config: &ExportConfig) -> Self {
        let (sender, said) = mpsc::unbounded_channel();
        let say: Say = Arc::new(move |text: &str| {
            // The test may have ended.
            let _unheard = sender.send(text.to_owned());
        });
        let exporters = Exporters::start(config, &say).expect("the exporter starts");
        Self { exporters, said }
    }

    fn said_so_far(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.said.try_recv().ok()).collect()
    }
}
