//! The time for one start, everything included: one clock that every wait looks at.

use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// A point in time after which nothing is waited for any more.
#[derive(Debug, Clone, Copy)]
pub struct Deadline {
    start: Instant,
    end: Instant,
}

impl Deadline {
    /// A deadline `duration` from `start`.
    pub fn from(start: Instant, duration: Duration) -> Self {
        Deadline { start, end: start + duration }
    }

    /// A deadline `duration` from now.
    pub fn after(duration: Duration) -> Self {
        Self::from(Instant::now(), duration)
    }

    /// What is left; zero once it has passed.
    pub fn remaining(&self) -> Duration {
        self.end.saturating_duration_since(Instant::now())
    }

    /// True once it has passed.
    pub fn has_passed(&self) -> bool {
        self.remaining().is_zero()
    }

    /// Time since the clock was started.
    pub fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// Waits until `source` can be read (or has ended); false if the deadline passes first.
    pub fn wait_readable(&self, source: &impl AsFd) -> io::Result<bool> {
        loop {
            let left = self.remaining().as_millis().min(i32::MAX as u128);
            let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::ZERO);
            let mut fds = [PollFd::new(source.as_fd(), PollFlags::POLLIN)];
            match poll(&mut fds, timeout) {
                Ok(0) if self.has_passed() => return Ok(false),
                Ok(0) | Err(nix::Error::EINTR) => continue,
                Ok(_) => return Ok(true),
                Err(error) => return Err(error.into()),
            }
        }
    }
}
