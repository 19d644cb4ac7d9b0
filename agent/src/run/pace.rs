//! A steady pace, by a timer of the kernel's.
//!
//! tokio's own timers wake their thread twice for each tick that is further off than 64 ms, and once more when they
//! are set anew: on a busy machine each time costs more than what a quiet turn does.

use std::{io, os::fd::OwnedFd, time::Duration};

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use tokio::io::unix::AsyncFd;

use crate::readiness;

/// Ticks, as far apart as was asked for. Those that were missed count as one.
pub struct Pace(AsyncFd<OwnedFd>);

impl Pace {
    /// The first tick comes after one `period`. Must be called within a tokio runtime with I/O.
    ///
    /// # Errors
    /// The kernel refuses another descriptor, or the runtime to watch it.
    pub fn start(period: Duration) -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        let period = Timespec {
            tv_sec: period.as_secs() as i64,
            tv_nsec: period.subsec_nanos().into(),
        };
        let ever = Itimerspec {
            it_interval: period,
            it_value: period,
        };
        timerfd_settime(&timer, TimerfdTimerFlags::empty(), &ever)?;
        Ok(Self(readiness::watch(timer)?))
    }

    /// Waits for the next tick. Nothing is lost if that is given up.
    ///
    /// # Errors
    /// The timer cannot be watched or read.
    pub async fn tick(&self) -> io::Result<()> {
        let mut ticks = [0; size_of::<u64>()];
        loop {
            let mut ready = self.0.readable().await?;
            let read = ready.try_io(|timer| Ok(rustix::io::read(timer, &mut ticks)?));
            if let Ok(read) = read {
                // Read dry: it need not be asked again before it ticks.
                ready.clear_ready();
                return read.map(drop);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[tokio::test]
    async fn ticks_are_a_period_apart() {
        let period = Duration::from_millis(5);
        let began = Instant::now();
        let pace = Pace::start(period).unwrap();
        for tick in 1..=3 {
            pace.tick().await.unwrap();
            assert!(began.elapsed() >= period * tick);
        }
    }
}
