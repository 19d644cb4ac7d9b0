//! What spans say of memory, faults and switches, and where paging began.

use hotspan_synth::{
    Settings, Synth,
    event::{Crossing, Event, Resources},
    ids::{CrossingId, RegionId},
    time::KernelTime,
};

use crate::{REGIONS, crossing as plain, drawing::MS, region, tree, unindented};

const SHOWN: &[&str] = &[
    "process.memory.rss_change_bytes",
    "process.thread.count",
    "thread.paging.major_faults",
    "thread.context_switches.voluntary",
    "thread.context_switches.involuntary",
];

fn used(major_faults: u64, stalled_ms: Option<u64>) -> Resources {
    Resources {
        resident_bytes: -4096,
        major_faults,
        voluntary: 7,
        involuntary: 2,
        stalled: stalled_ms.map(|ms| KernelTime(ms * MS)),
        threads: 3,
    }
}

/// A crossing of milliseconds, in another one or in none.
fn crossing(letter: char, from: u64, to: u64, around: u64, used: Resources) -> Event {
    Event::Crossing(Crossing {
        enclosing: (around != 0).then_some(CrossingId(around)),
        resources: Some(used),
        ..plain::crossing(RegionId(u32::from(letter)), from, to)
    })
}

#[track_caller]
fn check(crossings: &[Event], expected: &str) {
    let mut synth = Synth::new(Settings {
        seed: 1,
        ..Settings::default()
    });
    let mut spans = Vec::new();
    let clock = Event::Clock(plain::clock());
    let header = std::iter::once(clock).chain(REGIONS.iter().map(region));
    for event in header.chain(crossings.iter().cloned()) {
        synth.handle(event, &mut spans);
    }
    synth.finish(KernelTime(2_000 * MS), &mut spans);
    let found = tree::render(&spans, &synth.summary(), SHOWN);
    let expected = unindented(expected);
    assert!(
        found == expected,
        "\nexpected:\n{expected}\nfound:\n{found}"
    );
}

#[test]
fn spans_of_fifty_milliseconds_say_what_they_used() {
    check(
        &[
            crossing('L', 10, 60, 0, used(1, None)),
            crossing('P', 70, 119, 0, used(1, None)),
        ],
        "
        a
          cpsat.search 10..60 process.memory.rss_change_bytes=-4096 process.thread.count=3 thread.paging.major_faults=1 thread.context_switches.voluntary=7 thread.context_switches.involuntary=2
          cpsat.presolve 70..119
        ",
    );
}

#[test]
fn paging_is_said_where_it_began() {
    check(
        &[
            crossing('P', 20, 90, 10, used(5, Some(40))),
            crossing('L', 100, 190, 10, used(5, Some(120))),
            crossing('Q', 10, 200, 0, used(10, Some(40))),
            // It stalled before the long part of it began.
            crossing('P', 320, 390, 300, used(5, Some(330))),
            crossing('Q', 300, 400, 0, used(9, Some(310))),
        ],
        "
        a
          engine.request 10..200 process.memory.rss_change_bytes=-4096 process.thread.count=3 thread.paging.major_faults=10 thread.context_switches.voluntary=7 thread.context_switches.involuntary=2
            cpsat.presolve 20..90 process.memory.rss_change_bytes=-4096 process.thread.count=3 thread.paging.major_faults=5 thread.context_switches.voluntary=7 thread.context_switches.involuntary=2
              * paging because resident memory overran 40
            cpsat.search 100..190 process.memory.rss_change_bytes=-4096 process.thread.count=3 thread.paging.major_faults=5 thread.context_switches.voluntary=7 thread.context_switches.involuntary=2
              * paging because resident memory overran 120
          engine.request 300..400 process.memory.rss_change_bytes=-4096 process.thread.count=3 thread.paging.major_faults=9 thread.context_switches.voluntary=7 thread.context_switches.involuntary=2
            * paging because resident memory overran 310
            cpsat.presolve 320..390 process.memory.rss_change_bytes=-4096 process.thread.count=3 thread.paging.major_faults=5 thread.context_switches.voluntary=7 thread.context_switches.involuntary=2
              * paging because resident memory overran 330
        ",
    );
}

#[test]
fn a_stall_or_a_fault_alone_is_no_paging() {
    check(
        &[
            crossing('L', 10, 100, 0, used(0, Some(40))),
            crossing('L', 110, 200, 0, used(3, None)),
        ],
        "
        a
          cpsat.search 10..100 process.memory.rss_change_bytes=-4096 process.thread.count=3 thread.paging.major_faults=0 thread.context_switches.voluntary=7 thread.context_switches.involuntary=2
          cpsat.search 110..200 process.memory.rss_change_bytes=-4096 process.thread.count=3 thread.paging.major_faults=3 thread.context_switches.voluntary=7 thread.context_switches.involuntary=2
        ",
    );
}
