//! When requests began: by the service's own spans, by what came in at its sockets, and by what it was woken up for.

use crate::{
    clock::Clock,
    crossings::parents::{RequestKey, SpanContext},
    event::{Arrival, TargetSpan},
    latest::Latest,
    time::UnixTime,
};

/// A loop that was busy with others for longer than this, in nanoseconds, before the request's span began does not
/// tell when the request came in.
const MOST_NS: u64 = 5_000_000;

/// What a request's time counts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Begun {
    /// The instant.
    pub at: UnixTime,
    /// What happened then.
    pub since: Since,
}

/// What a request's time counts from, by what is known of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Since {
    /// The request came in at its socket.
    Socket,
    /// The service was woken up, and the request came in after that, but for what is sent ahead.
    Wakeup {
        /// So many nanoseconds later at most.
        within_ns: u64,
    },
    /// Its span began, and when it came in is not known.
    Span,
}

#[derive(Clone, Copy, Debug, Default)]
struct Beginning {
    span: Option<UnixTime>,
    /// Of its tasks, the earliest; one that was made of what had come in comes first.
    arrival: Option<Arrival>,
}

/// The latest requests, bounded in number.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    by_key: Latest<RequestKey, Beginning>,
}

impl Requests {
    /// Takes in when a span of the target began; of too many, the latest stay.
    pub fn span(&mut self, span: &TargetSpan, limit: u32) {
        let context = SpanContext {
            trace_id: span.trace_id,
            span_id: span.span_id,
        };
        let key = (span.target, context);
        self.by_key.entry(key, limit as usize).span = Some(span.start);
    }

    /// Takes in when the work of a task that serves the span came in.
    pub fn arrival(&mut self, key: RequestKey, arrival: Arrival, limit: u32) {
        let known = &mut self.by_key.entry(key, limit as usize).arrival;
        let rank = |arrival: Arrival| (arrival.came.is_none(), arrival.came, arrival.woken);
        if known.is_none_or(|known| rank(arrival) < rank(known)) {
            *known = Some(arrival);
        }
    }

    /// When a request began. What came in, or woke the service, counts only if the span began in the very step that
    /// followed: a task may serve several requests, one after the other.
    pub fn begun(&self, key: RequestKey, clock: &Clock) -> Option<Begun> {
        let Beginning { span, arrival } = self.by_key.get(key)?;
        let start = (*span)?;
        let came = arrival.and_then(|arrival| before(start, arrival, clock));
        Some(came.unwrap_or(Begun {
            at: start,
            since: Since::Span,
        }))
    }
}

/// When the work came in of the task in whose first step a span began, if it is that work's and that is known.
fn before(start: UnixTime, arrival: Arrival, clock: &Clock) -> Option<Begun> {
    let unix = |time| clock.convert(time).map(|time| time.unix);
    if start > unix(arrival.stepped)? {
        return None;
    }
    if let Some(came) = arrival.came.and_then(unix)
        && came <= start
    {
        let since = Since::Socket;
        return Some(Begun { at: came, since });
    }
    let woken = unix(arrival.woken)?;
    let within_ns = start.0.checked_sub(woken.0)?;
    (within_ns <= MOST_NS).then_some(Begun {
        at: woken,
        since: Since::Wakeup { within_ns },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        ids::{SpanId, TargetId, TraceId},
        time::{ClockAnchor, KernelTime},
    };

    const CONTEXT: SpanContext = SpanContext {
        trace_id: TraceId([1; 16]),
        span_id: SpanId([2; 8]),
    };
    const KEY: RequestKey = (TargetId(7), CONTEXT);

    /// With when each was woken up for, and its first step over.
    fn begun(start: u64, arrivals: &[(u64, u64)]) -> Begun {
        let arrivals = arrivals
            .iter()
            .map(|&(woken, stepped)| (None, woken, stepped));
        begun_after(start, &arrivals.collect::<Vec<_>>())
    }

    /// And when its work came in, if that is known.
    fn begun_after(start: u64, arrivals: &[(Option<u64>, u64, u64)]) -> Begun {
        let mut clock = Clock::default();
        clock.anchor(ClockAnchor {
            kernel: KernelTime(0),
            unix: UnixTime(1_000),
            error_ns: 0,
        });
        let mut requests = Requests::default();
        for &(came, woken, stepped) in arrivals {
            let arrival = Arrival {
                came: came.map(KernelTime),
                woken: KernelTime(woken),
                stepped: KernelTime(stepped),
            };
            requests.arrival(KEY, arrival, 10);
        }
        let span = TargetSpan {
            target: KEY.0,
            trace_id: CONTEXT.trace_id,
            span_id: CONTEXT.span_id,
            name: String::new(),
            start: UnixTime(1_000 + start),
        };
        requests.span(&span, 10);
        requests.begun(KEY, &clock).unwrap()
    }

    fn at(at: u64, within_ns: Option<u64>) -> Begun {
        let since = within_ns.map_or(Since::Span, |within_ns| Since::Wakeup { within_ns });
        let at = UnixTime(1_000 + at);
        Begun { at, since }
    }

    fn at_socket(at: u64) -> Begun {
        Begun {
            at: UnixTime(1_000 + at),
            since: Since::Socket,
        }
    }

    #[test]
    fn a_span_of_the_first_step_since_the_wake_up_began_with_it() {
        assert_eq!(begun(50, &[(20, 90)]), at(20, Some(30)));
        assert_eq!(begun(50, &[(60, 90), (20, 55)]), at(20, Some(30)));
    }

    #[test]
    fn a_span_of_another_step_did_not() {
        assert_eq!(begun(50, &[]), at(50, None));
        assert_eq!(begun(50, &[(20, 49)]), at(50, None));
        assert_eq!(begun(50, &[(51, 90)]), at(50, None));
    }

    #[test]
    fn a_loop_that_was_busy_with_others_does_not_tell() {
        let late = 20 + MOST_NS;
        assert_eq!(begun(late, &[(20, late)]), at(20, Some(MOST_NS)));
        assert_eq!(begun(late + 1, &[(20, late + 1)]), at(late + 1, None));
    }

    #[test]
    fn what_came_in_counts_before_what_woke_the_loop() {
        // Before the loop was woken up, while it was busy, and long before the span began.
        assert_eq!(begun_after(50, &[(Some(18), 20, 90)]), at_socket(18));
        assert_eq!(begun_after(50, &[(Some(30), 20, 90)]), at_socket(30));
        let late = 30 + 2 * MOST_NS;
        assert_eq!(begun_after(late, &[(Some(30), 20, late)]), at_socket(30));
    }

    #[test]
    fn what_came_in_for_one_of_its_tasks_counts_for_all() {
        let (known, other) = ((Some(30), 20, 90), (None, 20, 60));
        assert_eq!(begun_after(50, &[known, other]), at_socket(30));
        assert_eq!(begun_after(50, &[other, known]), at_socket(30));
        let earlier = (Some(25), 20, 90);
        assert_eq!(begun_after(50, &[known, earlier]), at_socket(25));
        assert_eq!(begun_after(50, &[earlier, known]), at_socket(25));
    }

    #[test]
    fn what_came_in_for_another_span_does_not_count() {
        // The span began after the task's first step, or before its data came in.
        assert_eq!(begun_after(50, &[(Some(30), 20, 49)]), at(50, None));
        assert_eq!(begun_after(50, &[(Some(51), 20, 90)]), at(20, Some(30)));
    }

    #[test]
    fn only_the_latest_are_remembered() {
        let mut requests = Requests::default();
        let arrival = Arrival {
            came: None,
            woken: KernelTime(1),
            stepped: KernelTime(2),
        };
        for target in 0..5 {
            requests.arrival((TargetId(target), CONTEXT), arrival, 2);
        }
        let is_known = |target: &u32| requests.by_key.get((TargetId(*target), CONTEXT)).is_some();
        let known: Vec<u32> = (0..5).filter(is_known).collect();
        assert_eq!(known, [3, 4]);
    }
}
