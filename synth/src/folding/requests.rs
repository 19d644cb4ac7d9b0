//! When requests began: by the service's own spans, and by what it was woken up for.

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
    /// The service was woken up then, and the request came in so many nanoseconds later at most; `None`: its span
    /// began then, and when it came in is not known.
    pub within_ns: Option<u64>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Beginning {
    span: Option<UnixTime>,
    /// Of its tasks, the earliest.
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
        if known.is_none_or(|known| arrival.woken < known.woken) {
            *known = Some(arrival);
        }
    }

    /// When a request began. What woke the service counts only if the span began in the very step that followed: a
    /// task may serve several requests, one after the other.
    pub fn begun(&self, key: RequestKey, clock: &Clock) -> Option<Begun> {
        let Beginning { span, arrival } = self.by_key.get(key)?;
        let start = (*span)?;
        let woken = arrival.and_then(|arrival| {
            let [woken, stepped] = [arrival.woken, arrival.stepped].map(|time| clock.convert(time));
            let (woken, stepped) = (woken?.unix, stepped?.unix);
            let before_ns = start.0.checked_sub(woken.0)?;
            (before_ns <= MOST_NS && start <= stepped).then_some(woken)
        });
        Some(Begun {
            at: woken.unwrap_or(start),
            within_ns: woken.map(|woken| start.0 - woken.0),
        })
    }
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

    fn begun(start: u64, arrivals: &[(u64, u64)]) -> Begun {
        let mut clock = Clock::default();
        clock.anchor(ClockAnchor {
            kernel: KernelTime(0),
            unix: UnixTime(1_000),
            error_ns: 0,
        });
        let mut requests = Requests::default();
        for &(woken, stepped) in arrivals {
            let arrival = Arrival {
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
        let at = UnixTime(1_000 + at);
        Begun { at, within_ns }
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
    fn only_the_latest_are_remembered() {
        let mut requests = Requests::default();
        let arrival = Arrival {
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
