//! Drafts to spans: bounds, status, events.

use crate::{
    clock::{Clock, Instant},
    crossings::{
        item::{End, Item, Key},
        known::{Anchor, Bounds, KnownCrossings},
    },
    event::Ending,
    region::Region,
    settings::Limits,
    span::{Dropped, Span, SpanEvent, Status},
    spans::{
        attributes::{self, AttributeList},
        making::Draft,
        values::Slots,
    },
    summary::{Noted, Tally},
    time::{KernelTime, UnixTime},
};

/// Bound on what lies between the call of a function and the time stamp of its probe, and between
/// its return instruction and that one's stamp, in nanoseconds: a trap of at most 4.6 µs and the
/// program before it reads the clock. What the program does then holds the target up, some 20 to
/// 30 µs at an exit (FIGURES.md), and is none of the function's time.
pub(crate) const PROBE_ERROR_NS: u64 = 5_000;

/// `error.type` of a crossing that an exception left. The type of the exception is not known; that
/// it came through the C++ runtime is.
const EXCEPTION: &str = "cpp_exception";

/// What building a span needs to know of the rest.
pub(crate) struct Surroundings<'a> {
    pub clock: &'a Clock,
    pub limits: &'a Limits,
    pub known: &'a mut KnownCrossings,
    pub tally: &'a mut Tally,
}

impl Surroundings<'_> {
    /// Completes a draft.
    pub fn build(&mut self, mut draft: Box<Draft>, end: &End) -> Span {
        let ended = self
            .clock
            .convert(end.last(&draft.item))
            .unwrap_or(draft.start);
        let error_ns = error_ns(&draft, end, ended);
        let (start, end_time) = self.bounds(&draft, ended.unix, error_ns);
        let status = self.fail(&mut draft, end, end_time);
        let mut list = AttributeList::new(self.limits);
        attributes::of_span(&mut list, &draft, end, error_ns);
        if let Status::Error { description } = &status {
            list.add("error.type", description.as_str());
        }
        let (attributes, dropped_attributes) = list.finish(self.tally);
        let source = draft.parent.source_name();
        let duration_ns = end_time.0 - start.0;
        self.tally
            .span(draft.item.key.target, &draft.region, source, duration_ns);
        let mut events = Vec::from(draft.events);
        events.sort_by_key(|event| event.time);
        Span {
            target: draft.item.key.target,
            trace_id: draft.parent.trace_id,
            span_id: draft.span_id,
            parent_span_id: draft
                .around
                .map_or(draft.parent.span_id, |around| around.span_id),
            parent_is_synthetic: draft.around.is_some(),
            parent_is_remote: draft.parent.remote && draft.around.is_none(),
            name: draft.region.name.clone(),
            start,
            end: end_time,
            attributes,
            events,
            links: Vec::new(),
            status,
            dropped: Dropped {
                attributes: dropped_attributes,
                events: draft.dropped_events,
                links: 0,
            },
        }
    }

    /// Start and end, inside of the parent's and around the children's as far as the error goes;
    /// beyond it they are left, and counted.
    fn bounds(&mut self, draft: &Draft, end: UnixTime, error_ns: u64) -> (UnixTime, UnixTime) {
        let around = draft
            .around
            .and_then(|around| self.known.get(around.key)?.bounds);
        let mut start = draft.start.unix;
        let mut end = end.max(start);
        if let Some(around) = around {
            let error_ns = error_ns.saturating_add(around.error_ns);
            start = self.not_before(start, around.start, error_ns);
            if let Some(limit) = around.end {
                end = self.not_after(end, limit, error_ns);
            }
        }
        if let Some(latest_child) = self.own_bounds(draft.item.key).map(|own| own.latest_child) {
            end = self.not_before(end, latest_child, error_ns);
        }
        end = end.max(start);
        if let Some(own) = self.own_bounds(draft.item.key) {
            (own.start, own.end, own.error_ns) = (start, Some(end), error_ns);
        }
        self.tell_parent(draft.around, end);
        (start, end)
    }

    fn own_bounds(&mut self, key: Key) -> Option<&mut Bounds> {
        self.known.get_mut(key)?.bounds.as_mut()
    }

    fn tell_parent(&mut self, around: Option<Anchor>, end: UnixTime) {
        if let Some(bounds) = around.and_then(|around| self.own_bounds(around.key)) {
            bounds.latest_child = bounds.latest_child.max(end);
        }
    }

    fn not_before(&mut self, time: UnixTime, limit: UnixTime, error_ns: u64) -> UnixTime {
        self.clamped(time, time.max(limit), error_ns)
    }

    fn not_after(&mut self, time: UnixTime, limit: UnixTime, error_ns: u64) -> UnixTime {
        self.clamped(time, time.min(limit), error_ns)
    }

    fn clamped(&mut self, time: UnixTime, clamped: UnixTime, error_ns: u64) -> UnixTime {
        if clamped == time {
            return time;
        }
        if clamped.0.abs_diff(time.0) > error_ns {
            self.tally.noted(Noted::OutsideParent, 1);
            return time;
        }
        self.tally.noted(Noted::BoundsClamped, 1);
        clamped
    }

    /// The status, and for a failure the event that goes with it.
    fn fail(&mut self, draft: &mut Draft, end: &End, time: UnixTime) -> Status {
        let mut list = AttributeList::new(self.limits);
        let error_type = if end.ending == Ending::Caught {
            list.add("exception.message", "left by an exception of unknown type");
            list.add("exception.escaped", true);
            EXCEPTION
        } else if end.ending == Ending::Returned
            && let Some(error) = end.slots().failure(draft.region.meaning().failure.as_ref())
        {
            list.add("exception.type", error);
            list.add(
                "exception.message",
                format!("{} returned {error}", draft.region.name),
            );
            error
        } else {
            return Status::Unset;
        };
        let (attributes, _) = list.finish(self.tally);
        draft.events.push_back(SpanEvent {
            name: "exception".to_owned(),
            time,
            attributes,
        });
        Status::Error {
            description: error_type.to_owned(),
        }
    }
}

/// The event that a crossing becomes on the span around it.
pub(crate) fn event(
    region: &Region,
    end: &End,
    time: Instant,
    limits: &Limits,
    tally: &mut Tally,
) -> SpanEvent {
    let mut list = AttributeList::new(limits);
    list.add_decoded(&region.meaning.attributes, end.slots());
    let (attributes, _) = list.finish(tally);
    SpanEvent {
        name: region.name.clone(),
        time: time.unix,
        attributes,
    }
}

/// The bound on start and end: the clocks', the probe's, and for a lost exit the time in which it
/// can have been.
fn error_ns(draft: &Draft, end: &End, ended: Instant) -> u64 {
    let lost = if end.is_exact() {
        0
    } else {
        end.exit.since(end.last(&draft.item))
    };
    draft
        .start
        .error_ns
        .max(ended.error_ns)
        .saturating_add(PROBE_ERROR_NS)
        .saturating_add(lost)
}

impl End {
    /// The end that can be proven.
    pub fn last(&self, item: &Item) -> KernelTime {
        let last = if self.is_exact() {
            self.exit
        } else {
            self.proven
        };
        last.max(item.entry)
    }

    /// As `hotspan.exit` says it; nothing for a plain return.
    pub fn exit_name(&self) -> Option<&'static str> {
        match self.ending {
            Ending::Returned => None,
            Ending::Caught => Some("exception"),
            Ending::Replaced => Some("replaced"),
            Ending::Unwound => Some("unwound"),
            Ending::ThreadExit => Some("thread_exit"),
            Ending::Disarmed => Some("disarmed"),
            Ending::Detached => Some("detached"),
        }
    }

    /// What was read in the crossing.
    pub fn slots(&self) -> Slots<'_> {
        Slots {
            values: &self.values,
            text: self.text.as_ref(),
        }
    }
}
