//! The worker's side of its own confinement: entered once, before the first byte of the network is read, and never
//! left.
//!
//! What stays possible is what the task needs: sockets, memory within bounds, and answering on standard output. The
//! user, the limits and the loss of new privileges are there on every kernel; file rules ([`super::file_rules`]) and the
//! filter of system calls ([`super::call_filter`]) where it has Landlock and seccomp. A kernel or an engine's own filter
//! that refuses one of these two leaves the others.

use std::fs;
use std::io;

use super::{call_filter, file_rules};
use crate::surroundings;
use nix::sys::prctl;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};

/// "nobody": a user without files, where the node has no user of our own.
const NOBODY: u32 = 65_534;
/// The user that packages may create for the worker.
const USER: &str = "imgcompat";

/// Soft and hard limits. The address space holds the largest answer several times over; the processor time is
/// beyond any deadline; one file of no bytes may be written, which is none.
///
/// Processes are counted for the user and not for this process: 500 workers of equal user may run at once, each with a
/// thread for the resolver. What keeps a single one from forking is the filter of system calls.
const LIMITS: [(Resource, u64); 6] = [
    (Resource::RLIMIT_AS, 512 << 20),
    (Resource::RLIMIT_CPU, 10),
    (Resource::RLIMIT_NOFILE, 64),
    (Resource::RLIMIT_FSIZE, 0),
    (Resource::RLIMIT_CORE, 0),
    (Resource::RLIMIT_NPROC, 4096),
];

/// What can be done as root before the confinement: close what the engine left open, stop inheriting its protection from
/// the kernel's out-of-memory killer, and keep secrets out of core dumps. Must be called before any file is opened.
pub fn prepare() {
    surroundings::close_inherited();
    let _ = fs::write("/proc/self/oom_score_adj", "0");
    surroundings::keep_out_of_core_dumps();
}

/// Gives up privileges and takes on limits. An error means that the confinement is not complete, and the caller
/// must not go on.
pub fn enter() -> io::Result<()> {
    prctl::set_no_new_privs()?;
    for (resource, limit) in LIMITS {
        // One that is lower already stays: to raise it takes a capability that an engine's root may lack.
        let (_, hard) = getrlimit(resource)?;
        let limit = limit.min(hard);
        setrlimit(resource, limit, limit)?;
    }
    if nix::unistd::geteuid().is_root() {
        give_up_root()?;
    }
    // Changing the user makes a process dumpable again.
    prctl::set_dumpable(false)?;
    let _ = file_rules::apply();
    let _ = call_filter::apply();
    Ok(())
}

fn give_up_root() -> io::Result<()> {
    let user = nix::unistd::User::from_name(USER).ok().flatten();
    let (uid, gid) =
        user.map_or((Uid::from_raw(NOBODY), Gid::from_raw(NOBODY)), |u| (u.uid, u.gid));
    setgroups(&[])?;
    setresgid(gid, gid, gid)?;
    setresuid(uid, uid, uid)?;
    if nix::unistd::setuid(Uid::from_raw(0)).is_ok() {
        return Err(io::Error::other("the worker is still root after giving it up"));
    }
    Ok(())
}
