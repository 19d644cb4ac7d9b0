//! The pipeline's second half: events through the core to the exporters, and into a recording.

use std::{io, time::Duration};

use hotspan_synth::{
    NativeWork, Sink, Synth, event::Event, ids::TargetId, settings::Settings, span::Span,
    summary::Summary, time::KernelTime,
};

use super::onlooker::Onlooker;
use crate::{
    export::{ExportSummary, Exporters},
    recording::RecordingWriter,
};

/// The core, what feeds on it, and what listens in.
pub struct Pipeline {
    synth: Synth,
    exporters: Exporters,
    recording: Option<RecordingWriter>,
    onlooker: Option<Box<dyn Onlooker>>,
    out: Out,
}

/// What the core hands out.
#[derive(Default)]
struct Out {
    spans: Vec<Span>,
    /// `None`: nobody asks.
    native: Option<Vec<NativeWork>>,
    /// `None`: nobody asks.
    shapes: Option<Vec<(u32, bool)>>,
}

impl Sink for Out {
    fn span(&mut self, span: Span) {
        self.spans.push(span);
    }

    fn native(&mut self, work: NativeWork) {
        if let Some(native) = &mut self.native {
            native.push(work);
        }
    }

    fn shape(&mut self, target: TargetId, is_known: bool) {
        if let Some(shapes) = &mut self.shapes {
            shapes.push((target.0, is_known));
        }
    }
}

impl Pipeline {
    /// A pipeline that has seen nothing.
    pub fn new(
        settings: Settings,
        exporters: Exporters,
        recording: Option<RecordingWriter>,
    ) -> Self {
        let mut synth = Synth::new(settings);
        if exporters.wants_folded() {
            synth.fold_stacks();
        }
        Self {
            synth,
            exporters,
            recording,
            onlooker: None,
            out: Out::default(),
        }
    }

    /// The same, and `onlooker` hears all that it is fed.
    #[must_use]
    pub fn watched_by(mut self, onlooker: Option<Box<dyn Onlooker>>) -> Self {
        self.onlooker = onlooker;
        self
    }

    /// Who looks on, if somebody does.
    pub(super) fn onlooker(&mut self) -> Option<&mut (dyn Onlooker + 'static)> {
        self.onlooker.as_deref_mut()
    }

    /// Takes an event in; complete spans go out.
    ///
    /// # Errors
    /// The recording cannot be written.
    pub fn feed(&mut self, event: Event) -> io::Result<()> {
        if let Some(recording) = &mut self.recording {
            recording.write(&event)?;
        }
        if let Some(onlooker) = &mut self.onlooker {
            onlooker.hear(&event);
        }
        if let Event::Target(target) = &event {
            self.exporters.target(target);
        }
        self.synth.handle(event, &mut self.out);
        self.flush();
        Ok(())
    }

    /// Keeps the native functions that spans are all about, for [`Pipeline::take_native`].
    pub fn keep_native(&mut self) {
        self.out.native.get_or_insert_default();
    }

    /// Those of the spans since the last time.
    pub fn take_native(&mut self) -> Vec<NativeWork> {
        self.out
            .native
            .as_mut()
            .map(std::mem::take)
            .unwrap_or_default()
    }

    /// Keeps whether requests are of a known kind, for [`Pipeline::take_shapes`].
    pub fn keep_shapes(&mut self) {
        self.out.shapes.get_or_insert_default();
    }

    /// Those that ended since the last time: their targets, and whether they are.
    pub fn take_shapes(&mut self) -> Vec<(u32, bool)> {
        let shapes = self.out.shapes.as_mut();
        shapes.map(std::mem::take).unwrap_or_default()
    }

    /// Waits, for at most `timeout`, until the exporters have caught up: for events that need not be
    /// taken in at once.
    pub async fn catch_up(&self, timeout: Duration) {
        // A queue that stays full drops its oldest spans, and counts them.
        let _ = tokio::time::timeout(timeout, self.exporters.room()).await;
    }

    /// Ends the run: what is open is said to have been detached from, what waits is sent for at
    /// most `timeout`.
    ///
    /// # Errors
    /// The recording cannot be completed.
    pub async fn finish(
        mut self,
        now: KernelTime,
        timeout: Duration,
    ) -> io::Result<(Summary, ExportSummary)> {
        self.synth.finish(now, &mut self.out);
        self.flush();
        if let Some(recording) = self.recording.take() {
            recording.finish(now)?;
        }
        let stacks: Vec<_> = self.synth.take_folded().collect();
        self.exporters.write_folded(&stacks);
        let summary = self.synth.summary();
        Ok((summary, self.exporters.shutdown(timeout).await))
    }

    fn flush(&mut self) {
        if !self.out.spans.is_empty() {
            self.exporters.export(self.out.spans.drain(..));
        }
    }
}
