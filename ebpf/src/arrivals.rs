//! When data came in at the sockets that targets' event loops read from.
//!
//! These run at all that comes in at any socket of the machine, and at all that is read, so the socket's port or the
//! reader's process is asked about first. The agent attaches them only while it wants to know.
//!
//! Data is told by where it begins in its connection's stream, which begins at a random number: another socket at the
//! same address cannot be taken for the one before, and nothing needs to be forgotten.

use aya_ebpf::{
    helpers::{bpf_ktime_get_ns, generated::bpf_skc_to_tcp_sock},
    macros::btf_tracepoint,
    programs::BtfTracePointContext,
};
use hotspan_common::{Target, TargetFlags};

use crate::{
    context,
    maps::{PORTS, TARGETS, UNREAD},
    sampling::{
        self, made,
        worker::{self, Read, Worker},
    },
    task::{load, place},
    threads,
};

place!(
    /// Of `sock_common`: `skc_num`.
    SOCKET_PORT, socket_port
);
// Of `tcp_sock`:
place!(
    /// What will be read next.
    TCP_COPIED, tcp_copied
);
place!(
    /// What will come in next.
    TCP_NEXT, tcp_next
);

/// `MSG_PEEK` of `linux/socket.h`.
const PEEK: i32 = 2;

/// Data that has not been read yet.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Unread {
    /// When it came in; 0: not known.
    pub came_ns: u64,
    /// Where it begins in its stream.
    pub begin: u64,
}

/// `sk_data_ready(sk)`: data has come in, on whatever CPU, for whomever.
#[btf_tracepoint]
pub fn sk_data_ready(ctx: BtfTracePointContext) -> i32 {
    let socket = Socket::argument(&ctx);
    if is_followed(socket.port())
        && let Some(stream) = socket.stream()
    {
        // SAFETY: a plain helper.
        let now = unsafe { bpf_ktime_get_ns() };
        socket.note(stream.begin, now);
    }
    0
}

/// `sock_recv_length(sk, ret, flags)`: the current thread has read from a socket, or has tried to.
#[btf_tracepoint]
pub fn sock_recv_length(ctx: BtfTracePointContext) -> i32 {
    let (tgid, tid) = threads::current();
    // SAFETY: targets are replaced whole; an old copy lives as long as this program runs.
    let Some(target) = (unsafe { TARGETS.get(&tgid) }) else {
        return 0;
    };
    let (length, flags): (i32, i32) = (ctx.arg(1), ctx.arg(2));
    if target.flags & TargetFlags::TELLS_ARRIVALS == 0 || flags & PEEK != 0 || !sampling::is_on() {
        return 0;
    }
    if let Some(worker) = worker::get_or_create(target, tgid, tid) {
        // SAFETY: a plain helper.
        made::look(target, worker, unsafe { bpf_ktime_get_ns() }, 0);
        worker.read = Read::default();
        if length > 0 {
            read(target, worker, Socket::argument(&ctx), length as u32);
        }
    }
    0
}

#[inline(always)]
fn read(target: &Target, worker: &mut Worker, socket: Socket, length: u32) {
    let Some(stream) = socket.stream() else {
        return;
    };
    worker.read = Read {
        came_ns: socket.taken(stream, length),
        entered: context::entered_now(target, &mut worker.python),
        port: u64::from(socket.port()),
    };
}

/// From now on it is noted what comes in at the port.
#[inline(always)]
pub fn follow(port: u64) {
    let port = port as u16;
    if let Some(bits) = PORTS.get_ptr_mut(u32::from(port >> 6)) {
        // SAFETY: a live map value. Another port's bit that is set at the same time may be lost, until the next request.
        unsafe { *bits |= 1 << (port & 63) };
    }
}

#[inline(always)]
fn is_followed(port: u16) -> bool {
    let bits = PORTS.get(u32::from(port >> 6));
    bits.is_some_and(|bits| bits >> (port & 63) & 1 != 0)
}

/// A `struct sock`.
#[derive(Clone, Copy)]
struct Socket(*const u8);

/// Positions in the stream of a connection, which are counted modulo 2^32.
#[derive(Clone, Copy)]
struct Stream {
    /// The first that was not read.
    begin: u32,
    /// The first that has not come in.
    end: u32,
}

impl Socket {
    /// The tracepoint's first argument.
    #[inline(always)]
    fn argument(ctx: &BtfTracePointContext) -> Self {
        Self(ctx.arg(0))
    }

    /// Its own port; that of the listening socket, if it was accepted or will be. 0: it has none.
    #[inline(always)]
    fn port(self) -> u16 {
        load(self.0, socket_port())
    }

    /// `None`: it is no connection by TCP.
    #[inline(always)]
    fn stream(self) -> Option<Stream> {
        // SAFETY: the tracepoint's own argument.
        let tcp = unsafe { bpf_skc_to_tcp_sock(self.0.cast_mut().cast()) };
        (!tcp.is_null()).then(|| Stream {
            begin: load(tcp.cast(), tcp_copied()),
            end: load(tcp.cast(), tcp_next()),
        })
    }

    /// Data that begins there has come in, or more behind it. The kernel lets one at a time come in at a socket.
    #[inline(always)]
    fn note(self, begin: u32, now: u64) {
        let begin = u64::from(begin);
        let key = self.0 as u64;
        let Some(unread) = UNREAD.get_ptr_mut(&key) else {
            let came_ns = now;
            // The map forgets its oldest entries by itself.
            let _ = UNREAD.insert(&key, &Unread { came_ns, begin }, 0);
            return;
        };
        // SAFETY: a live map value.
        unsafe {
            if (*unread).begin != begin {
                // In this order: a reader that sees the earlier time sees, too, that it is not its data's.
                (&raw mut (*unread).begin).write_volatile(begin);
                (&raw mut (*unread).came_ns).write_volatile(now);
            }
        }
    }

    /// When the data that has just been read had come in; 0: not known.
    #[inline(always)]
    fn taken(self, stream: Stream, length: u32) -> u64 {
        let key = self.0 as u64;
        let Some(unread) = UNREAD.get_ptr_mut(&key) else {
            return 0;
        };
        // SAFETY: a live map value.
        let unread = unsafe { &mut *unread };
        let begin = u64::from(stream.begin.wrapping_sub(length));
        let came_ns = if unread.begin == begin {
            unread.came_ns
        } else {
            0
        };
        // What was left there came in before what comes next, but not when.
        if stream.end != stream.begin && unread.begin != u64::from(stream.begin) {
            unread.came_ns = 0;
            unread.begin = u64::from(stream.begin);
        }
        came_ns
    }
}
