//! `hotspan replay`: the spans of a recording, made again.

use std::time::Duration;

use anyhow::Context as _;
use hotspan_synth::{event::Event, time::KernelTime};

use super::{exports, summary};
use crate::{
    args::{Exit, ReplayArgs},
    recording::RecordingReader,
    run::Pipeline,
};

/// How long exporters may take to send what waits.
const LAST_EXPORT: Duration = Duration::from_secs(10);

/// How long a replay waits for exporters that have fallen behind.
const CATCH_UP: Duration = Duration::from_secs(10);

/// Feeds the recording to the core, with the recording's own seed and limits.
///
/// # Errors
/// The recording cannot be read to its end; what came before has been exported.
pub fn run(args: &ReplayArgs) -> anyhow::Result<Exit> {
    let reader = RecordingReader::open(&args.file)?;
    let exporters = exports::start(&args.export, None)?;
    let pipeline = Pipeline::new(reader.settings().clone(), exporters, None);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("failed to start the event loop")?;
    runtime.block_on(replay(reader, pipeline))?;
    Ok(Exit::Done)
}

async fn replay(mut reader: RecordingReader, mut pipeline: Pipeline) -> anyhow::Result<()> {
    let mut last = KernelTime::default();
    let broken = loop {
        match reader.next() {
            Some(Ok(event)) => {
                if let Event::Tick { now } = event {
                    last = now;
                    pipeline.catch_up(CATCH_UP).await;
                }
                pipeline.feed(event)?;
            }
            Some(Err(error)) => break Some(error),
            None => break None,
        }
    };
    let finished = reader.end().map_or(last, |end| end.finished);
    let (made, exports) = pipeline.finish(finished, LAST_EXPORT).await?;
    eprint!("{}", summary::text(&made, &exports));
    broken.map_or(Ok(()), |error| Err(error.into()))
}
