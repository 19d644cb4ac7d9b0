//! When requests began: by the service's own spans, by what came in at its sockets, and by what it was woken up for.

use crate::{
    clock::Clock,
    crossings::parents::{RequestKey, SpanContext},
    event::{Arrival, TargetSpan, Wakeup},
    latest::Latest,
    time::{KernelTime, UnixTime},
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
    /// Of its tasks, what came in first.
    came: Option<Came>,
    /// And what woke the loop first.
    wakeup: Option<Wakeup>,
}

/// What an [`Arrival`] says.
#[derive(Clone, Copy, Debug)]
struct Came {
    at: KernelTime,
    stepped: KernelTime,
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
    pub fn arrival(&mut self, key: RequestKey, arrival: &Arrival, limit: u32) {
        let known = &mut self.by_key.entry(key, limit as usize).came;
        let came = Came {
            at: arrival.came,
            stepped: arrival.stepped,
        };
        let rank = |came: Came| (came.at, came.stepped);
        if known.is_none_or(|known| rank(came) < rank(known)) {
            *known = Some(came);
        }
    }

    /// Takes in what woke the loop of such a task.
    pub fn wakeup(&mut self, key: RequestKey, wakeup: Wakeup, limit: u32) {
        let known = &mut self.by_key.entry(key, limit as usize).wakeup;
        if known.is_none_or(|known| wakeup.woken < known.woken) {
            *known = Some(wakeup);
        }
    }

    /// When a request began. What came in, or woke the service, counts only if the span began in the very step that
    /// followed: a task may serve several requests, one after the other.
    pub fn begun(&self, key: RequestKey, clock: &Clock) -> Option<Begun> {
        let Beginning { span, came, wakeup } = self.by_key.get(key)?;
        let start = (*span)?;
        let came = came.and_then(|came| brought(start, came, clock));
        let begun = came.or_else(|| wakeup.and_then(|wakeup| woken(start, wakeup, clock)));
        Some(begun.unwrap_or(Begun {
            at: start,
            since: Since::Span,
        }))
    }
}

/// When what the task was made of came in, if a span that began then is that work's.
fn brought(start: UnixTime, came: Came, clock: &Clock) -> Option<Begun> {
    let at = unix(came.at, clock)?;
    let is_its = at <= start && start <= unix(came.stepped, clock)?;
    is_its.then_some(Begun {
        at,
        since: Since::Socket,
    })
}

/// When the loop was woken up, if it may have been for a span that began then.
fn woken(start: UnixTime, wakeup: Wakeup, clock: &Clock) -> Option<Begun> {
    if start > unix(wakeup.stepped, clock)? {
        return None;
    }
    let at = unix(wakeup.woken, clock)?;
    let within_ns = start.0.checked_sub(at.0)?;
    (within_ns <= MOST_NS).then_some(Begun {
        at,
        since: Since::Wakeup { within_ns },
    })
}

fn unix(time: KernelTime, clock: &Clock) -> Option<UnixTime> {
    clock.convert(time).map(|time| time.unix)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        event::ParentRead,
        ids::{SpanId, TargetId, TraceId},
        time::ClockAnchor,
    };

    const CONTEXT: SpanContext = SpanContext {
        trace_id: TraceId([1; 16]),
        span_id: SpanId([2; 8]),
    };
    const KEY: RequestKey = (TargetId(7), CONTEXT);

    /// With when each was woken up for, and its first step over.
    fn begun(start: u64, wakeups: &[(u64, u64)]) -> Begun {
        begun_after(start, &[], wakeups)
    }

    fn wakeup((woken, stepped): (u64, u64)) -> Wakeup {
        Wakeup {
            woken: KernelTime(woken),
            stepped: KernelTime(stepped),
        }
    }

    fn arrival((came, stepped): (u64, u64)) -> Arrival {
        Arrival {
            target: KEY.0,
            parent: ParentRead::None("of no matter here".to_owned()),
            came: KernelTime(came),
            stepped: KernelTime(stepped),
        }
    }

    /// And when the work of each came in.
    fn begun_after(start: u64, arrivals: &[(u64, u64)], wakeups: &[(u64, u64)]) -> Begun {
        let mut clock = Clock::default();
        clock.anchor(ClockAnchor {
            kernel: KernelTime(0),
            unix: UnixTime(1_000),
            error_ns: 0,
        });
        let mut requests = Requests::default();
        for &came in arrivals {
            requests.arrival(KEY, &arrival(came), 10);
        }
        for &woken in wakeups {
            requests.wakeup(KEY, wakeup(woken), 10);
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
        assert_eq!(begun_after(50, &[(18, 90)], &[(20, 90)]), at_socket(18));
        assert_eq!(begun_after(50, &[(30, 90)], &[(20, 90)]), at_socket(30));
        let late = 30 + 2 * MOST_NS;
        assert_eq!(
            begun_after(late, &[(30, late)], &[(20, late)]),
            at_socket(30)
        );
    }

    #[test]
    fn the_first_request_of_a_loop_that_was_never_seen_to_wait_counts_from_what_came_in() {
        assert_eq!(begun_after(50, &[(18, 90)], &[]), at_socket(18));
    }

    #[test]
    fn what_came_in_first_counts() {
        let (earlier, later) = ((25, 90), (30, 90));
        assert_eq!(begun_after(50, &[earlier, later], &[]), at_socket(25));
        assert_eq!(begun_after(50, &[later, earlier], &[]), at_socket(25));
    }

    #[test]
    fn what_came_in_for_another_span_does_not_count() {
        // The span began after the task's first step, or before its data came in.
        assert_eq!(begun_after(50, &[(30, 49)], &[(20, 49)]), at(50, None));
        assert_eq!(begun_after(50, &[(51, 90)], &[(20, 90)]), at(20, Some(30)));
    }

    #[test]
    fn only_the_latest_are_remembered() {
        let mut requests = Requests::default();
        for target in 0..5 {
            requests.arrival((TargetId(target), CONTEXT), &arrival((1, 2)), 2);
        }
        let is_known = |target: &u32| requests.by_key.get((TargetId(*target), CONTEXT)).is_some();
        let known: Vec<u32> = (0..5).filter(is_known).collect();
        assert_eq!(known, [3, 4]);
    }
}
