//! What was seen, against what there was.

use hotspan_common::{SampleFlags, SampleReason};
use hotspan_tests::stretches::{Kind, Stretch};

use super::{
    FREQUENCY, ROUNDS,
    run::{Named, Run},
};

/// Nearly all stacks within a stretch begin with its functions, and belong to its span.
pub fn check_timer(samples: &[Named], stretches: &[Stretch]) {
    let (mut seen, mut wrong) = (0, Vec::new());
    for sample in samples {
        if sample.event.reason != SampleReason::Timer.wire() {
            continue;
        }
        let within = stretches.iter().find(|stretch| {
            stretch.kind == Kind::Runs && stretch.holds(sample.event.ns_tid, sample.event.time_ns)
        });
        let Some(stretch) = within else {
            continue;
        };
        seen += 1;
        if !is_of(sample, stretch) {
            wrong.push(format!(
                "{} is not {:?}",
                sample.names.join("<"),
                stretch.name
            ));
        }
    }
    eprintln!("  {seen} stacks, {} wrong", wrong.len());
    // The first round, before the sampler began, is no part of it.
    let begun = samples.iter().map(|sample| sample.event.time_ns).min();
    let ran: u64 = stretches
        .iter()
        .filter(|stretch| stretch.kind == Kind::Runs && Some(stretch.start_ns) > begun)
        .map(|stretch| stretch.cpu_ns)
        .sum();
    let due = ran as f64 * f64::from(FREQUENCY.get()) / 1e9;
    eprintln!("  {due:.0} stacks were due");
    // A stretch that is interrupted meets its ticks by chance: three standard deviations.
    assert!(
        (seen as f64 - due).abs() < due.sqrt() * 3.0,
        "{seen} stacks where {due:.0} were due"
    );
    assert!(wrong.len() * 100 <= seen, "{}", wrong.join("\n"));
}

/// Each stretch in which a thread waited is nearly filled by a wait of that function, but for those that
/// were counted as unseen.
pub fn check_waits(run: &Run) {
    let Run {
        samples, stretches, ..
    } = run;
    let waits: Vec<&Named> = samples
        .iter()
        .filter(|sample| sample.event.reason == SampleReason::Off.wire())
        .collect();
    let begun = samples.iter().map(|sample| sample.event.time_ns).min();
    let stretches = stretches
        .iter()
        .filter(|stretch| Some(stretch.start_ns) > begun);
    let (mut expected, mut missing, mut gil) = (0, Vec::new(), 0);
    for stretch in stretches {
        let fits = |wait: &&&Named| {
            wait.event.ns_tid == stretch.tid
                && wait.event.time_ns >= stretch.start_ns
                && wait.event.period_or_end_ns <= stretch.end_ns
        };
        if stretch.kind == Kind::Contends {
            gil += waits
                .iter()
                .filter(fits)
                .filter(|wait| wait.event.flags & SampleFlags::GIL != 0 && is_of(wait, stretch))
                .count();
        }
        if stretch.kind != Kind::Waits {
            continue;
        }
        expected += 1;
        let covered: u64 = waits
            .iter()
            .filter(fits)
            .filter(|wait| {
                wait.event.flags & SampleFlags::GIL == 0 && wait.names.contains(&stretch.name)
            })
            .map(|wait| wait.event.period_or_end_ns - wait.event.time_ns)
            .sum();
        if covered * 10 < (stretch.end_ns - stretch.start_ns) * 9 {
            let seen: Vec<String> = waits
                .iter()
                .filter(|wait| wait.event.ns_tid == stretch.tid)
                .filter(|wait| wait.event.period_or_end_ns > stretch.start_ns)
                .filter(|wait| wait.event.time_ns < stretch.end_ns)
                .map(|wait| wait.describe())
                .collect();
            missing.push(format!(
                "{} for {covered} ns of {stretch:?}, but: {}",
                stretch.name,
                seen.join("; ")
            ));
        }
    }
    eprintln!(
        "  {expected} waits, {} missing, {} looks without an answer; {gil} for the interpreter's lock",
        missing.len(),
        run.unseen
    );
    assert!(expected >= 3 * ROUNDS);
    assert!(
        missing.len() * 10 <= expected && missing.len() as u64 <= run.unseen,
        "{}",
        missing.join("\n")
    );
    assert!(gil > 0, "no wait for the interpreter's lock");
}

/// Each suspension is told of, with its chain of awaits, under its task's span, and no others are.
pub fn check_awaits(run: &Run) {
    let Run {
        samples, stretches, ..
    } = run;
    let begun = samples.iter().map(|sample| sample.event.time_ns).min();
    let expected: Vec<&Stretch> = stretches
        .iter()
        .filter(|stretch| stretch.kind == Kind::Awaits && Some(stretch.start_ns) > begun)
        .collect();
    let awaits: Vec<&Named> = samples
        .iter()
        .filter(|sample| sample.event.reason == SampleReason::Await.wire())
        .collect();
    let fits = |sample: &Named, stretch: &Stretch| {
        let (start, end) = (sample.event.time_ns, sample.event.period_or_end_ns);
        let span = hex::decode(&stretch.span_id).unwrap();
        sample
            .names
            .iter()
            .rev()
            .take(2)
            .eq([&stretch.around[0], &stretch.name])
            && sample.event.parent.span_id == *span
            && start >= stretch.start_ns
            && end <= stretch.end_ns
            && (end - start) * 2 > stretch.end_ns - stretch.start_ns
    };
    let nearly_fills = |sample: &Named, stretch: &Stretch| {
        let told = sample.event.period_or_end_ns - sample.event.time_ns;
        told * 10 > (stretch.end_ns - stretch.start_ns) * 9
    };
    let missing: Vec<_> = expected
        .iter()
        .filter(|stretch| !awaits.iter().any(|sample| fits(sample, stretch)))
        .collect();
    let strange: Vec<_> = awaits
        .iter()
        .filter(|sample| !expected.iter().any(|stretch| fits(sample, stretch)))
        .map(|sample| {
            let (start, end) = (sample.event.time_ns, sample.event.period_or_end_ns);
            format!("{} for {} ns", sample.names.join(">"), end - start)
        })
        .collect();
    let short = expected.iter().filter(|stretch| {
        let mut told = awaits.iter().filter(|sample| fits(sample, stretch));
        !told.any(|sample| nearly_fills(sample, stretch))
    });
    let short = short.count();
    eprintln!(
        "  {} awaits, {} missing, {} strange, {short} shorter than by their own clock",
        expected.len(),
        missing.len(),
        strange.len()
    );
    assert!(expected.len() >= 6 * ROUNDS);
    // Between its own reading of the clock and the suspension, the thread may lose its CPU.
    assert!(short * 10 <= expected.len(), "{short}");
    assert!(
        missing.len() as u64 <= run.awaits_unseen,
        "{missing:#?}\n{strange:#?}"
    );
    assert!(strange.is_empty(), "{strange:#?}");
}

fn is_of(sample: &Named, stretch: &Stretch) -> bool {
    let expected = [&stretch.name].into_iter().chain(&stretch.around);
    let span = hex::decode(&stretch.span_id).unwrap();
    sample.names.len() > stretch.around.len()
        && expected
            .zip(&sample.names)
            .all(|(expected, name)| expected == name)
        && sample.event.parent.span_id == *span
}
