//! Durations for people: three digits and a unit.

/// `nanos` in the unit that suits it, at most eight columns wide up to 99 hours.
pub(crate) fn duration(nanos: u64) -> String {
    const MINUTE: u64 = 60 * 1_000_000_000;
    // Rounded first, so that 999.96 ms is 1.00 s and not 1000 ms.
    match nanos {
        0..1_000 => format!("{nanos} ns"),
        1_000..999_500 => format!("{} µs", three_digits(nanos as f64 / 1e3)),
        999_500..999_500_000 => format!("{} ms", three_digits(nanos as f64 / 1e6)),
        999_500_000..59_950_000_000 => format!("{} s", three_digits(nanos as f64 / 1e9)),
        _ if nanos < 60 * MINUTE => {
            let seconds = (nanos + 500_000_000) / 1_000_000_000;
            format!("{}m {:02}s", seconds / 60, seconds % 60)
        }
        _ => {
            let minutes = (nanos + MINUTE / 2) / MINUTE;
            format!("{}h {:02}m", minutes / 60, minutes % 60)
        }
    }
}

fn three_digits(value: f64) -> String {
    let decimals = match value {
        _ if value < 9.995 => 2,
        _ if value < 99.95 => 1,
        _ => 0,
    };
    format!("{value:.decimals$}")
}
