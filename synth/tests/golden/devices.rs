//! What spans say of a device: its memory that a process holds, and what was launched most.

use hotspan_synth::{
    Limits, Settings, Synth,
    event::{Called, Crossing, Event},
    ids::{CrossingId, RegionId, TargetId},
    region::{Meaning, MemoryEffect, MemoryRule, Region},
    time::KernelTime,
};

use crate::{crossing as plain, drawing::MS, tree, unindented};

const PASS: RegionId = RegionId(1);
const ALLOCATE: RegionId = RegionId(2);
const FREE: RegionId = RegionId(3);
const RESET: RegionId = RegionId(4);
const LAUNCH: RegionId = RegionId(5);

const RESULT: u32 = 0;
const ADDRESS: u32 = 1;
const BYTES: u32 = 2;

const SHOWN: &[&str] = &["ml.gpu.memory_allocated_mb", "kernels"];

fn regions() -> [Region; 5] {
    let span = |id, name: &str| Region::span(id, name, name, "libdevice.so");
    let memory = |id, name, effect| {
        span(id, name).with_meaning(Meaning {
            on_device: true,
            memory: Some(MemoryRule {
                effect,
                result: RESULT,
                min_ns: 5 * MS,
            }),
            ..Meaning::default()
        })
    };
    [
        span(PASS, "app.pass"),
        memory(
            ALLOCATE,
            "device.malloc",
            MemoryEffect::Allocates {
                address: ADDRESS,
                bytes: BYTES,
            },
        ),
        memory(
            FREE,
            "device.free",
            MemoryEffect::Frees { address: ADDRESS },
        ),
        memory(RESET, "device.reset", MemoryEffect::Resets),
        span(LAUNCH, "device.launch").with_meaning(Meaning {
            on_device: true,
            called: Some("kernels".to_owned()),
            ..Meaning::default()
        }),
    ]
}

/// A crossing of milliseconds, in the pass that began at `around`, or in none.
fn crossing(region: RegionId, from: u64, to: u64, around: u64, values: &[(u32, u64)]) -> Crossing {
    Crossing {
        enclosing: (around != 0).then_some(CrossingId(around)),
        values: values.to_vec(),
        ..plain::crossing(region, from, to)
    }
}

fn pass(from: u64, to: u64) -> Crossing {
    crossing(PASS, from, to, 0, &[])
}

fn allocate(at: u64, around: u64, address: u64, megabytes: u64) -> Crossing {
    let values = [
        (RESULT, 0),
        (ADDRESS, address),
        (BYTES, megabytes * 1_000_000),
    ];
    crossing(ALLOCATE, at, at + 1, around, &values)
}

fn free(at: u64, around: u64, address: u64) -> Crossing {
    crossing(FREE, at, at + 1, around, &[(RESULT, 0), (ADDRESS, address)])
}

#[track_caller]
fn check(events: impl IntoIterator<Item = Event>, limits: Limits, expected: &str) {
    let mut synth = Synth::new(Settings {
        seed: 1,
        limits,
        ..Settings::default()
    });
    let mut spans = Vec::new();
    let clock = Event::Clock(plain::clock());
    let header = std::iter::once(clock).chain(regions().map(Event::Region));
    for event in header.chain(events) {
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

#[track_caller]
fn check_crossings<const N: usize>(crossings: [Crossing; N], expected: &str) {
    check(crossings.map(Event::Crossing), Limits::default(), expected);
}

#[test]
fn what_is_held_at_the_end_of_the_span_around() {
    check_crossings(
        [
            allocate(11, 10, 0x1000, 3),
            allocate(13, 10, 0x2000, 5),
            free(15, 10, 0x2000),
            pass(10, 30),
            // Not known: it was there before hotspan.
            free(41, 40, 0x9000),
            pass(40, 50),
            free(61, 60, 0x1000),
            pass(60, 70),
            // Nothing in it is the device's.
            pass(80, 90),
        ],
        "
        a
          app.pass 10..30 ml.gpu.memory_allocated_mb=3
          app.pass 40..50 ml.gpu.memory_allocated_mb=3
          app.pass 60..70 ml.gpu.memory_allocated_mb=0
          app.pass 80..90
        brief: 5
        ",
    );
}

#[test]
fn a_call_that_fails_takes_nothing() {
    let mut failed = allocate(11, 10, 0x1000, 3);
    failed.values[0] = (RESULT, 2);
    check_crossings(
        [failed, pass(10, 30)],
        "
        a
          app.pass 10..30
        brief: 1
        ",
    );
}

#[test]
fn a_place_that_is_given_out_again_before_its_free_is_told() {
    let mut freed = free(12, 10, 0x1000);
    freed.exit = KernelTime(20 * MS);
    freed.proven = freed.exit;
    check_crossings(
        [
            allocate(11, 10, 0x1000, 3),
            allocate(14, 10, 0x1000, 7),
            freed,
            pass(10, 30),
        ],
        "
        a
          app.pass 10..30 ml.gpu.memory_allocated_mb=7
            device.free 12..20 ml.gpu.memory_allocated_mb=7
        brief: 2
        ",
    );
}

#[test]
fn after_what_was_not_seen_nothing_is_said() {
    let reset = crossing(RESET, 41, 42, 40, &[(RESULT, 0)]);
    check_crossings(
        [
            allocate(11, 10, 0x1000, 3),
            pass(10, 30),
            reset,
            allocate(43, 40, 0x1000, 3),
            pass(40, 50),
        ],
        "
        a
          app.pass 10..30 ml.gpu.memory_allocated_mb=3
          app.pass 40..50
        brief: 3
        device_memory_unknown: 1
        ",
    );
    let paused = Event::Paused {
        target: TargetId(1),
        region: FREE,
    };
    let crossings = [allocate(11, 10, 0x1000, 3), pass(10, 30)].map(Event::Crossing);
    check(
        std::iter::once(paused).chain(crossings),
        Limits::default(),
        "
        a
          app.pass 10..30
        brief: 1
        device_memory_unknown: 1
        ",
    );
}

#[test]
fn allocations_are_bounded() {
    let limits = Limits {
        allocations: 1,
        ..Limits::default()
    };
    let crossings = [
        allocate(11, 10, 0x1000, 3),
        allocate(13, 10, 0x2000, 3),
        pass(10, 30),
    ];
    check(
        crossings.map(Event::Crossing),
        limits,
        "
        a
          app.pass 10..30
        brief: 2
        device_memory_unknown: 1
        ",
    );
}

#[test]
fn only_what_nothing_untold_can_outnumber_is_listed() {
    let mut launch = crossing(LAUNCH, 10, 20, 0, &[]);
    let named = [
        ("gemm", 40),
        ("copy", 9),
        ("norm", 40),
        ("gemm", 5),
        ("add", 10),
    ];
    launch.called = Some(Called {
        names: named.map(|(name, calls)| (name.to_owned(), calls)).into(),
        beyond: 9,
    });
    check_crossings(
        [launch],
        "
        a
          device.launch 10..20 kernels=45 gemm,40 norm,10 add
        ",
    );
}
