//! Start to armed, and SIGKILL to a clean kernel.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use hotspan_tests::{agent::Attach, kernel_state, load::quantile, service::Options};
use rustix::process::Signal;

const ROUNDS: usize = 9;

/// On the service, with all of its libraries.
pub fn run() -> Result<()> {
    let service = Options::default().start()?;
    let (mut armed, mut clean) = (Vec::new(), Vec::new());
    let mut line = String::new();
    for _ in 0..ROUNDS {
        let before = kernel_state::now()?;
        let mut agent = Attach::pid(service.pid()).start()?;
        armed.push(agent.armed_after);
        line.clone_from(&agent.attached_line);
        let killed = Instant::now();
        agent.process().signal(Signal::KILL)?;
        agent.process().wait(Duration::from_secs(10))?;
        kernel_state::wait_until_clean(&before, Duration::from_secs(60))?;
        clean.push(killed.elapsed());
    }
    println!("{line}");
    println!("start of the process to armed: {}", spread(&mut armed)?);
    println!(
        "SIGKILL to no program, link or map left: {}",
        spread(&mut clean)?
    );
    Ok(())
}

fn spread(times: &mut [Duration]) -> Result<String> {
    times.sort_unstable();
    let at = |q| {
        quantile(times, q)
            .context("no rounds")
            .map(|time: Duration| time.as_secs_f64() * 1e3)
    };
    Ok(format!(
        "{:.0} ms at the median, {:.0} ms at most, of {}",
        at(0.5)?,
        at(1.0)?,
        times.len()
    ))
}
