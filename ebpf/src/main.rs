//! The kernel programs of hotspan.
//!
//! `crossing` runs at every armed instruction and pairs entries with exits; `threads`, `switches`
//! and `process` follow the scheduler and the process; `arrivals` follows what comes in at sockets;
//! `context` reads the parent.
#![no_std]
#![no_main]
#![expect(internal_features, reason = "atomic addition, see `counters`")]
#![feature(core_intrinsics)]

mod arrivals;
mod context;
mod counters;
mod crossing;
mod maps;
mod marks;
mod memory;
mod process;
mod provenance;
mod repeat;
mod resources;
mod sampling;
mod switches;
mod task;
mod threads;
mod watch;

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    // Never reached: the verifier rejects the endless loop that a reachable panic becomes.
    loop {}
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
