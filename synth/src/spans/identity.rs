//! Span ids that a replay gives again.

use std::hash::Hasher;

use siphasher::sip::SipHasher13;

use crate::{
    crossings::item::Key,
    ids::{SpanId, TraceId},
};

/// The id of a crossing's span: `SipHash` 1-3 of target and crossing, keyed by the seed. It is fixed
/// from the entry on, so that children may name a crossing that is still open.
pub(crate) fn span_id(seed: u64, key: Key) -> SpanId {
    let mut hasher = SipHasher13::new_with_keys(seed, 0);
    hasher.write(&key.target.0.to_le_bytes());
    hasher.write(&key.id.0.to_le_bytes());
    // Zero means "no span" in W3C trace context.
    SpanId(hasher.finish().max(1).to_be_bytes())
}

/// The id of the span of that number among those that are inferred in a run.
pub(crate) fn inferred_span_id(seed: u64, serial: u64) -> SpanId {
    // Another key than crossings have, whose hash is of other bytes.
    let mut hasher = SipHasher13::new_with_keys(seed, 1);
    hasher.write(&serial.to_le_bytes());
    SpanId(hasher.finish().max(1).to_be_bytes())
}

/// The id of the span of that number among those that are a request's share of steps.
pub(crate) fn share_span_id(seed: u64, serial: u64) -> SpanId {
    let mut hasher = SipHasher13::new_with_keys(seed, 2);
    hasher.write(&serial.to_le_bytes());
    SpanId(hasher.finish().max(1).to_be_bytes())
}

/// The trace of the span of that number among those that are steps for several requests: it is nobody's.
pub(crate) fn batch_trace_id(seed: u64, serial: u64) -> TraceId {
    trace_id(seed, [3, 4], &serial.to_le_bytes())
}

/// The trace that a crossing begins.
pub(crate) fn own_trace_id(seed: u64, key: Key) -> TraceId {
    let target = u128::from(key.target.0) << 64;
    trace_id(seed, [5, 6], &(target | u128::from(key.id.0)).to_le_bytes())
}

fn trace_id(seed: u64, keys: [u64; 2], of: &[u8]) -> TraceId {
    let [high, low] = keys.map(|key| {
        let mut hasher = SipHasher13::new_with_keys(seed, key);
        hasher.write(of);
        u128::from(hasher.finish())
    });
    // Zero means "no trace" in W3C trace context.
    TraceId((high << 64 | low).max(1).to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{CrossingId, TargetId};

    #[test]
    fn ids_are_the_same_in_every_build() {
        let key = Key {
            target: TargetId(4711),
            id: CrossingId(99),
        };
        assert_eq!(span_id(7, key).to_string(), "92aebd6e1ee841ee");
        assert_ne!(span_id(7, key), span_id(8, key));
    }
}
