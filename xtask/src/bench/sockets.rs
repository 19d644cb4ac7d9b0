//! What everybody's sockets pay while a target's are followed: round trips over the loopback in a process that is no target,
//! with the programs and without, in turn. On one thread, as to wake another takes ten times as long, and never as long as
//! before.

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, TcpListener, TcpStream},
    time::Instant,
};

use anyhow::{Context, Result};
use hotspan::kernel::Kernel;
use hotspan_tests::load::quantile;

use super::ratios::Ratios;

/// Round trips in each measurement, of so many bytes each way.
const TRIPS: u32 = 10_000;
const BYTES: usize = 64;
/// Pairs of measurements for each figure.
const PAIRS: usize = 40;

/// Prints what a round trip costs more: two messages that come in, and two that are read.
pub fn run() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("failed to start a runtime")?;
    let _inside = runtime.enter();
    let mut kernel = Kernel::load(None)?;
    let mut pair = Pair::new()?;
    pair.trip_ns()?;
    compare(&mut kernel, &mut pair, None, "another port than a target's")?;
    let port = pair.port;
    compare(
        &mut kernel,
        &mut pair,
        Some(port),
        "the number of a target's port",
    )
}

fn compare(kernel: &mut Kernel, pair: &mut Pair, port: Option<u16>, what: &str) -> Result<()> {
    let (mut ratios, mut alone, mut more) = (Ratios::default(), Vec::new(), Vec::new());
    for _ in 0..PAIRS {
        let without = pair.trip_ns()?;
        let links = kernel.follow_sockets()?;
        if let Some(port) = port {
            kernel.follow_port(port)?;
        }
        let with = pair.trip_ns()?;
        drop(links);
        ratios.add(with / without);
        alone.push(without);
        more.push(with - without);
    }
    let median = |values: &mut Vec<f64>| {
        values.sort_by(f64::total_cmp);
        quantile(values, 0.5).context("nothing was measured")
    };
    println!(
        "{what}: a round trip of {:.0} ns takes {}, {:.0} ns more at the median",
        median(&mut alone)?,
        ratios.change()?,
        median(&mut more)?
    );
    Ok(())
}

/// Both ends of a connection.
struct Pair {
    ends: [TcpStream; 2],
    /// Of one of them.
    port: u16,
}

impl Pair {
    fn new() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port")?;
        let port = listener.local_addr()?.port();
        let connection = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        let ends = [connection, listener.accept()?.0];
        for end in &ends {
            end.set_nodelay(true)?;
        }
        Ok(Self { ends, port })
    }

    fn trip_ns(&mut self) -> Result<f64> {
        let [one, other] = &mut self.ends;
        let mut message = [0; BYTES];
        let start = Instant::now();
        for _ in 0..TRIPS {
            one.write_all(&message)?;
            other.read_exact(&mut message)?;
            other.write_all(&message)?;
            one.read_exact(&mut message)?;
        }
        Ok(start.elapsed().as_nanos() as f64 / f64::from(TRIPS))
    }
}
