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
    // SAFETY: the system call takes three numbers. Nothing in this process has opened a file yet, so no descriptor
    // above standard error is owned by anything. Kernels before 5.9 do not know the call; then the descriptors stay,
    // and the worker, which is started with its own three, does not inherit those that are marked close-on-exec.
    unsafe {
        libc::syscall(
            libc::SYS_close_range,
            3 as libc::c_uint,
            libc::c_uint::MAX,
            0 as libc::c_uint,
        )
    };
    // SAFETY: ignoring a signal installs no code. An engine with a limit on file sizes must get a record that cannot be
    // written, not a hook that is killed and thereby refuses the start.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
    let _ = std::env::set_current_dir("/");
    umask(Mode::from_bits_truncate(0o027));
}

/// From now on a crash of this process, or of what it starts, leaves no memory on the disk: it will hold secrets.
pub fn keep_out_of_core_dumps() {
    let _ = setrlimit(Resource::RLIMIT_CORE, 0, 0);
    let _ = prctl::set_dumpable(false);
}
