//! What a program inherits from whoever started it, put away: environment, directory, open files, umask, deadly signals.
//!
//! This is one of the few modules with `unsafe` code: the standard library has no safe way to clear the
//! environment or to close files it did not open.
#![allow(unsafe_code)]

use nix::libc;
use nix::sys::prctl;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::stat::{Mode, umask};

/// Puts everything away. Must be called before any thread is started and any file is opened.
pub fn put_away() {
    // SAFETY: the program has one thread, and nothing holds a pointer into the environment.
    unsafe { libc::clearenv() };
    close_inherited();
    // SAFETY: ignoring a signal installs no code. An engine with a limit on file sizes must get a record that cannot be
    // written, not a hook that is killed and thereby refuses the start.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
    let _ = std::env::set_current_dir("/");
    umask(Mode::from_bits_truncate(0o027));
}

/// Closes what was inherited beyond the three standard files: an engine's descriptors are no business of this program,
/// and least of all of a worker that speaks to strangers. Must be called before any file is opened.
pub fn close_inherited() {
    // SAFETY: the system call takes three numbers. Nothing in this process has opened a file yet, so no descriptor
    // above standard error is owned by anything.
    let closed = unsafe {
        libc::syscall(
            libc::SYS_close_range,
            3 as libc::c_uint,
            libc::c_uint::MAX,
            0 as libc::c_uint,
        )
    };
    // Kernels before 5.9 do not know the call.
    if closed != 0 {
        close_listed();
    }
}

/// The same one by one.
fn close_listed() {
    let Ok(entries) = std::fs::read_dir("/proc/self/fd") else { return };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let open: Vec<libc::c_int> = names.filter_map(|name| name.parse().ok()).collect();
    for descriptor in open.into_iter().filter(|descriptor| *descriptor > 2) {
        // SAFETY: as above; the directory's own descriptor is closed by now, and its number is nobody else's.
        unsafe { libc::close(descriptor) };
    }
}

/// While this value is there, a limit on file sizes makes a write fail and does not end the process. For a program
/// that becomes another, which must not inherit that.
#[must_use]
pub struct FileSizeSignal(libc::sighandler_t);

impl FileSizeSignal {
    /// Ignores the signal.
    pub fn ignored() -> Self {
        // SAFETY: ignoring a signal installs no code.
        FileSizeSignal(unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) })
    }
}

impl Drop for FileSizeSignal {
    fn drop(&mut self) {
        // SAFETY: what is put back was in force before: a program that was just executed has no handler of its own.
        unsafe { libc::signal(libc::SIGXFSZ, self.0) };
    }
}

/// From now on a crash of this process, or of what it starts, leaves no memory on the disk: it will hold secrets.
pub fn keep_out_of_core_dumps() {
    let _ = setrlimit(Resource::RLIMIT_CORE, 0, 0);
    let _ = prctl::set_dumpable(false);
}
