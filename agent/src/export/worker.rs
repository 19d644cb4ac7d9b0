//! A thread of its own for each exporter: a slow endpoint, disk or terminal stops nobody else.

use std::{
    future::Future,
    sync::Arc,
    thread::{Builder, JoinHandle},
};

use tokio::{
    runtime,
    sync::oneshot,
    time::{Instant, timeout_at},
};

use super::{
    ExportError,
    counts::{Counts, DropReason, ExporterSummary},
    queue::Queue,
};

/// One exporter as the engine sees it.
#[derive(Debug)]
pub(super) struct Worker {
    name: String,
    queue: Arc<Queue>,
    done: oneshot::Receiver<()>,
    thread: JoinHandle<()>,
}

impl Worker {
    /// Prepares within a runtime of its own, then starts `work` on a thread. `name` is for summaries.
    pub(super) fn start<T, F>(
        name: String,
        queue: Queue,
        prepare: impl FnOnce() -> Result<T, ExportError>,
        work: impl FnOnce(T, Arc<Queue>) -> F + Send + 'static,
    ) -> Result<Self, ExportError>
    where
        T: Send + 'static,
        F: Future<Output = ()>,
    {
        let no_thread = |error| ExportError::new("a thread for an exporter", &error);
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(no_thread)?;
        let prepared = {
            let _inside = runtime.enter();
            prepare()?
        };
        let (finished, done) = oneshot::channel();
        let queue = Arc::new(queue);
        let works_on = Arc::clone(&queue);
        let run = move || {
            runtime.block_on(work(prepared, works_on));
            // A name lookup that hangs must not hold up the end.
            runtime.shutdown_background();
            // Nobody listens any more when the shutdown's time is over.
            let _unheard = finished.send(());
        };
        let thread = Builder::new()
            .name("hotspan-export".to_owned())
            .spawn(run)
            .map_err(no_thread)?;
        Ok(Self {
            name,
            queue,
            done,
            thread,
        })
    }

    pub(super) fn queue(&self) -> &Queue {
        &self.queue
    }

    pub(super) fn summary(&self) -> ExporterSummary {
        self.queue.counts().summary(&self.name)
    }

    pub(super) fn close(&self, deadline: Instant) {
        self.queue.close(deadline);
    }

    /// Waits for the thread's end until `deadline`; what has not arrived by then is counted as
    /// dropped. A thread that hangs in a write is left behind: the process is about to end.
    pub(super) async fn finish(self, deadline: Instant) -> ExporterSummary {
        let counts = self.queue.counts();
        match timeout_at(deadline, self.done).await {
            Ok(Ok(())) => drop(self.thread.join()),
            Ok(Err(_)) => counts.fail("the exporter's thread panicked"),
            Err(_) => counts.fail("did not end in time"),
        }
        drop_rest(counts);
        counts.summary(&self.name)
    }
}

fn drop_rest(counts: &Counts) {
    counts.drop_spans(DropReason::Shutdown, counts.open() as usize);
}
