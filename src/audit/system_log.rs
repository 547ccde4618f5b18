//! The decision as one line in the system's log: a datagram to `/dev/log`, which syslog daemons and journald read.
//! Used where journald's own socket (`journal.rs`) is not there.
//!
//! Format: RFC 3164 as glibc's syslog(3) sends it to the local socket, `<PRI>Mmm dd hh:mm:ss imgcompat[pid]: text`,
//! in UTC; local daemons put their own time in. The socket never blocks: a daemon that is stopped or whose queue is
//! full costs the record there, not the container's start. (The `syslog` crate waits for the daemon, and panics
//! where the local time zone cannot be read.)

use std::fs;
use std::io;
use std::os::fd::AsRawFd;
use std::path::Path;

use nix::sys::socket::{self, AddressFamily, MsgFlags, SockFlag, SockType, UnixAddr};
use time::OffsetDateTime;

use super::record::Record;
use crate::policy::{Action, Mode};

/// The socket of the system's log.
pub const SOCKET: &str = "/dev/log";

/// Facility "daemon" (RFC 3164, table 1).
pub(super) const FACILITY: u8 = 3;

/// Severities (RFC 3164, table 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    Error = 3,
    Warning = 4,
    Notice = 5,
    Info = 6,
}

fn level(record: &Record) -> Level {
    match (record.decision, record.under_enforce) {
        (Action::Deny, _) => Level::Error,
        (Action::Allow, Action::Deny) => Level::Warning,
        (Action::Allow, Action::Allow) if record.cause.is_some() => Level::Notice,
        _ => Level::Info,
    }
}

/// The severity as a number.
pub(super) fn priority(record: &Record) -> u8 {
    level(record) as u8
}

/// The line: what happened, to which image, why.
pub fn text(record: &Record) -> String {
    let what = match (record.decision, record.under_enforce, record.mode) {
        (Action::Deny, ..) => "refused",
        (Action::Allow, Action::Deny, Mode::Audit) => "audit: would be refused",
        _ => "allowed",
    };
    let image = record.image.as_deref().unwrap_or("(image unknown)");
    let cause = record.cause.map(|cause| format!("({cause})")).unwrap_or_default();
    let text = format!(
        "{what}: container={} image={image} verdict={}{cause} repeated={}: {}",
        record.container.get(..12).unwrap_or(&record.container),
        record.verdict,
        record.repeated,
        record.reason,
    );
    crate::sanitize::bounded_line(&text, 1024)
}

/// Sends the record to the log daemon behind `socket`.
pub fn send(record: &Record, socket: &Path) -> io::Result<()> {
    send_datagram(socket, || {
        format_line(level(record), OffsetDateTime::now_utc(), &text(record)).into_bytes()
    })
}

/// Sends one datagram without waiting. Looks first whether anybody can be there: that costs a tenth of a socket.
pub(super) fn send_datagram(socket: &Path, content: impl FnOnce() -> Vec<u8>) -> io::Result<()> {
    fs::symlink_metadata(socket)?;
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let datagram = socket::socket(AddressFamily::Unix, SockType::Datagram, flags, None)?;
    let address = UnixAddr::new(socket)?;
    socket::sendto(datagram.as_raw_fd(), &content(), &address, MsgFlags::MSG_NOSIGNAL)?;
    Ok(())
}

fn format_line(level: Level, now: OffsetDateTime, text: &str) -> String {
    let priority = FACILITY * 8 + level as u8;
    let month = now.month().to_string();
    let (hour, minute, second) = now.to_hms();
    format!(
        "<{priority}>{} {:>2} {hour:02}:{minute:02}:{second:02} imgcompat[{}]: {text}",
        month.get(..3).unwrap_or(&month),
        now.day(),
        std::process::id(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_is_what_syslog_daemons_read() {
        let now = OffsetDateTime::from_unix_timestamp(1_764_000_000).unwrap();
        let line = format_line(Level::Error, now, "refused: x");
        let expected = format!("<27>Nov 24 16:00:00 imgcompat[{}]: refused: x", std::process::id());
        assert_eq!(line, expected);
    }
}
