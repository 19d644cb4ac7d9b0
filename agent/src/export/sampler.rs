//! `OTEL_TRACES_SAMPLER`, where it says more than the parent's flag does.

use hotspan_synth::ids::TraceId;

use super::config::Sampler;

/// Whether spans of this trace are exported. The ratio is compared as OpenTelemetry's SDKs do it, with
/// the low 63 bits of the id's second half, so that all choose the same traces.
pub(super) fn keeps(sampler: Sampler, trace: TraceId) -> bool {
    match sampler {
        Sampler::All => true,
        Sampler::None => false,
        Sampler::TraceIdRatio(ratio) if ratio >= 1.0 => true,
        Sampler::TraceIdRatio(ratio) => {
            let [_, _, _, _, _, _, _, _, low @ ..] = trace.0;
            let bound = (ratio.max(0.0) * (1_u64 << 63) as f64) as u64;
            u64::from_be_bytes(low) >> 1 < bound
        }
    }
}

#[cfg(test)]
mod tests {
    use hotspan_synth::ids::TraceId;

    use super::{Sampler, keeps};

    #[test]
    fn ratio() {
        #[track_caller]
        fn check(ratio: f64, low: u64, expected: bool) {
            let id = TraceId((u128::from(u64::MAX) << 64 | u128::from(low)).to_be_bytes());
            assert_eq!(keeps(Sampler::TraceIdRatio(ratio), id), expected);
        }
        check(0.5, (1 << 63) - 2, true);
        check(0.5, 1 << 63, false);
        check(0.0, 0, false);
        check(1.0, u64::MAX, true);
        assert!(!keeps(Sampler::None, TraceId([1; 16])));
        assert!(keeps(Sampler::All, TraceId([255; 16])));
    }
}
