//! Ages that survive a wrong clock: within one boot the kernel's boot-time clock counts; across boots the wall clock
//! does, and a time in the future is as good as expired.

use std::io::Read;
use std::path::Path;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::fcntl::OFlag;
use nix::sys::stat::Mode;
use nix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

use crate::files;

/// A moment, by both clocks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// The boot this is in.
    pub boot_id: String,
    /// Seconds since boot, suspend included.
    pub since_boot: u64,
    /// Seconds since 1970, by the wall clock.
    pub wall: u64,
}

impl Moment {
    /// Now.
    pub fn now() -> Self {
        let since_boot = clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(0, |t| t.tv_sec());
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
        Moment { boot_id: boot_id(), since_boot: u64::try_from(since_boot).unwrap_or(0), wall }
    }

    /// Time from `self` to `now`; `None` if it cannot be known, which is to be read as "too old".
    pub fn age(&self, now: &Moment) -> Option<Duration> {
        let seconds = if self.boot_id == now.boot_id && !now.boot_id.is_empty() {
            now.since_boot.checked_sub(self.since_boot)
        } else {
            now.wall.checked_sub(self.wall)
        };
        seconds.map(Duration::from_secs)
    }

    /// The moment `seconds` later.
    #[must_use]
    pub fn plus(&self, seconds: u64) -> Self {
        Moment {
            boot_id: self.boot_id.clone(),
            since_boot: self.since_boot.saturating_add(seconds),
            wall: self.wall.saturating_add(seconds),
        }
    }
}

/// The kernel's id of this boot; empty where there is none. Read once.
pub fn boot_id() -> String {
    static BOOT_ID: OnceLock<String> = OnceLock::new();
    BOOT_ID.get_or_init(|| read_boot_id().unwrap_or_default()).clone()
}

fn read_boot_id() -> Option<String> {
    let mut bytes = [0; 64];
    let path = Path::new("/proc/sys/kernel/random/boot_id");
    let mut file = files::open_with(path, OFlag::O_RDONLY, Mode::empty()).ok()?;
    let length = file.read(&mut bytes).ok()?;
    Some(std::str::from_utf8(bytes.get(..length)?).ok()?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(boot_id: &str, since_boot: u64, wall: u64) -> Moment {
        Moment { boot_id: boot_id.to_owned(), since_boot, wall }
    }

    #[test]
    fn within_a_boot_the_wall_clock_does_not_matter() {
        let then = moment("a", 100, 5_000_000);
        assert_eq!(then.age(&moment("a", 160, 9)), Some(Duration::from_secs(60)));
    }

    #[test]
    fn across_boots_a_future_time_is_too_old() {
        let then = moment("a", 100, 5_000);
        assert_eq!(then.age(&moment("b", 1, 5_060)), Some(Duration::from_secs(60)));
        assert_eq!(then.age(&moment("b", 1, 4_999)), None);
        assert_eq!(moment("", 5, 9).age(&moment("", 1, 10)), Some(Duration::from_secs(1)));
    }

    #[test]
    fn now_is_not_before_now() {
        let now = Moment::now();
        assert!(now.age(&Moment::now()).is_some());
    }
}
