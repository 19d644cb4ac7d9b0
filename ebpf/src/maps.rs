//! Every map, in one place: together they are the memory that hotspan takes in the kernel.

use aya_ebpf::{
    bindings::BPF_F_NO_PREALLOC,
    macros::map,
    maps::{Array, HashMap, LruHashMap, PerCpuArray, RingBuf},
};
use hotspan_common::{
    Account, Counter, CrossingEvent, KeyCounts, MAX_BIRTHS, MAX_KEYED, MAX_PARKED, MAX_REGIONS,
    MAX_TARGETS, MAX_THREADS, MAX_WORKERS, RegionSpec, Suspended, Target, Task, ThreadState,
};

use crate::{
    arrivals::Unread,
    crossing::guard::{Bucket, Passes, Rate},
    sampling::{budget::Budget, lives::Look, worker::Worker},
};

/// Bytes of the ring for crossings and ended threads.
const CROSSINGS_BYTES: u32 = 2 << 20;
/// Bytes of the ring for stacks, unless the agent says otherwise.
const SAMPLES_BYTES: u32 = 8 << 20;
/// Bytes of the ring for control events.
const CONTROL_BYTES: u32 = 64 << 10;

/// Targets by process id.
#[map]
pub static TARGETS: HashMap<u32, Target> =
    HashMap::with_max_entries(MAX_TARGETS as u32, BPF_F_NO_PREALLOC);

/// Regions by number.
#[map]
pub static REGIONS: Array<RegionSpec> = Array::with_max_entries(MAX_REGIONS as u32, 0);

/// Threads by thread id.
#[map]
pub static THREADS: HashMap<u32, ThreadState> =
    HashMap::with_max_entries(MAX_THREADS as u32, BPF_F_NO_PREALLOC);

/// One thread state that stays zero: new ones are copies of it, as it is too large for the stack.
#[map]
pub static BLANK: Array<ThreadState> = Array::with_max_entries(1, 0);

/// Open crossings under which threads were born: while one is here, they descend from it.
#[map]
pub static BIRTHS: HashMap<u64, u32> =
    HashMap::with_max_entries(MAX_BIRTHS as u32, BPF_F_NO_PREALLOC);

/// Token buckets of the rate guard, by thread and region: those that are not at hand.
#[map]
pub static RATES: LruHashMap<u64, Bucket> = LruHashMap::with_max_entries(16_384, 0);

/// How many buckets are at hand, as a power of two.
pub const RATES_AT_HAND_LOG2: u32 = 13;

/// Token buckets of the rate guard, each at the place that its thread and region choose.
#[map]
pub static RATES_AT_HAND: Array<Rate> = Array::with_max_entries(1 << RATES_AT_HAND_LOG2, 0);

/// Conditional exits that calls pass, by region, of each CPU.
#[map]
pub static PASSES: PerCpuArray<Passes> = PerCpuArray::with_max_entries(MAX_REGIONS as u32, 0);

/// Hits that the program of a link that is to take over has left to the one before it: the instruction, by thread.
#[map]
pub static LEFT: LruHashMap<u32, u64> = LruHashMap::with_max_entries(4096, 0);

/// Crossings that found the ring full.
#[map]
pub static PARKED: HashMap<u64, CrossingEvent> =
    HashMap::with_max_entries(MAX_PARKED as u32, BPF_F_NO_PREALLOC);

/// Bursts' entries by what they were called with, by crossing. The agent takes them out with what is sent.
#[map]
pub static KEY_COUNTS: HashMap<u64, KeyCounts> =
    HashMap::with_max_entries(MAX_KEYED as u32, BPF_F_NO_PREALLOC);

/// One that stays zero: new ones are copies of it, as it is too large for the stack.
#[map]
pub static NO_COUNTS: Array<KeyCounts> = Array::with_max_entries(1, 0);

/// Crossings and ended threads, to the agent.
#[map]
pub static CROSSINGS: RingBuf = RingBuf::with_byte_size(CROSSINGS_BYTES, 0);

/// Rare and urgent events, to the agent.
#[map]
pub static CONTROL: RingBuf = RingBuf::with_byte_size(CONTROL_BYTES, 0);

/// Threads that were sampled, by thread id.
#[map]
pub static WORKERS: HashMap<u32, Worker> =
    HashMap::with_max_entries(MAX_WORKERS as u32, BPF_F_NO_PREALLOC);

/// One worker that stays zero: new ones are copies of it.
#[map]
pub static NEW_WORKER: Array<Worker> = Array::with_max_entries(1, 0);

/// Each CPU's look at a thread's Python functions.
#[map]
pub static LIVES_LOOK: PerCpuArray<Look> = PerCpuArray::with_max_entries(1, 0);

/// What the timer's stacks may still take of each target's time, by process id.
#[map]
pub static ACCOUNTS: HashMap<u32, Account> =
    HashMap::with_max_entries(MAX_TARGETS as u32, BPF_F_NO_PREALLOC);

/// What each CPU has left for looks at threads that leave it.
#[map]
pub static LOOKS: PerCpuArray<Budget> = PerCpuArray::with_max_entries(1, 0);

/// The latest requests, by the target's span.
#[map]
pub static YOUNG: LruHashMap<u64, crate::sampling::density::Young> =
    LruHashMap::with_max_entries(16_384, 0);

/// Spans of the targets that have been described.
#[map]
pub static DESCRIBED: LruHashMap<u64, u8> = LruHashMap::with_max_entries(16_384, 0);

/// Tasks that are suspended since their last step.
#[map]
pub static LAST_STEPS: LruHashMap<Task, Suspended> = LruHashMap::with_max_entries(16_384, 0);

/// The ports at which targets have read what they made tasks of: a bit for each.
#[map]
pub static PORTS: Array<u64> = Array::with_max_entries(1 << 10, 0);

/// When data came in at sockets of these ports, by the socket's address.
#[map]
pub static UNREAD: LruHashMap<u64, Unread> = LruHashMap::with_max_entries(4096, 0);

/// Stacks, to the agent.
#[map]
pub static SAMPLES: RingBuf = RingBuf::with_byte_size(SAMPLES_BYTES, 0);

/// What was counted, by [`Counter`].
#[map]
pub static COUNTERS: PerCpuArray<u64> = PerCpuArray::with_max_entries(Counter::SLOTS, 0);

/// Fill level of the crossings ring at which the agent is woken before its next turn.
pub const WAKE_AT_BYTES: u64 = (CROSSINGS_BYTES / 4) as u64;
/// The agent is woken before its next turn when the samples ring is full to one part in so many.
pub const WAKE_SAMPLES_AT_PART: u64 = 2;
