//! What a worker cannot do any more once it is confined: each thing is tried by a process that enters the sandbox as the
//! worker does.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::fs;
use std::io::{self, ErrorKind::PermissionDenied};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use imgcompat::worker::{call_filter, file_rules, sandbox};

/// Set in the process that is to be confined.
const CONFINED: &str = "IMGCOMPAT_TEST_CONFINED";

/// Runs the test `name` once more, in a process of its own, which enters the sandbox and prints what it comes to.
fn in_confinement(name: &str) -> String {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture", "--test-threads", "1"])
        .env(CONFINED, "1")
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn is_confined() -> bool {
    std::env::var_os(CONFINED).is_some()
}

fn said(what: &str, result: io::Result<impl Sized>) {
    println!(
        "{what}: {}",
        result.map_or_else(|error| error.kind().to_string(), |_| "done".to_owned())
    );
}

#[test]
fn files_processes_and_sockets_of_others_are_out_of_reach() {
    if is_confined() {
        let home = tempfile::NamedTempFile::new().unwrap();
        fs::write(home.path(), "readable by all").unwrap();
        fs::set_permissions(home.path(), fs::Permissions::from_mode(0o644)).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        sandbox::enter().unwrap();
        let mut own = tempfile::tempfile_in("/dev/shm").ok();
        said("shadow", fs::read("/etc/shadow"));
        said("another's file", fs::read(home.path()));
        said("own memory", fs::read("/proc/self/mem"));
        said("hosts", fs::read("/etc/hosts"));
        said("new file", fs::write("/tmp/imgcompat-must-not-exist", "x"));
        println!("shared memory: {}", own.take().map_or("none", |_| "done"));
        said("program", Command::new("/bin/true").status());
        said("connection", TcpStream::connect(listener.local_addr().unwrap()));
        said("thread", std::thread::Builder::new().spawn(|| ()));
        said(
            "namespace",
            nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWUSER).map_err(io::Error::from),
        );
        let packets = nix::sys::socket::socket(
            nix::sys::socket::AddressFamily::Packet,
            nix::sys::socket::SockType::Raw,
            nix::sys::socket::SockFlag::empty(),
            None,
        );
        said("raw packets", packets.map_err(io::Error::from));
        let root = nix::unistd::setuid(nix::unistd::Uid::from_raw(0));
        said("root again", root.map_err(io::Error::from));
        return;
    }
    let text = in_confinement("files_processes_and_sockets_of_others_are_out_of_reach");
    println!("{text}");
    let mut refused = vec!["shadow", "new file", "raw packets", "namespace", "root again"];
    let (landlock, seccomp) = (landlock_works(), seccomp_works());
    println!("this kernel has Landlock: {landlock}, seccomp: {seccomp}");
    if landlock {
        refused.extend(["another's file", "own memory"]);
        assert!(text.contains("shared memory: none"), "{text}");
    }
    if seccomp {
        refused.push("program");
    }
    if !nix::unistd::geteuid().is_root() {
        refused.retain(|what| *what != "root again" && *what != "shadow");
    }
    for what in refused {
        assert!(text.contains(&format!("{what}: permission denied")), "{what} in {text}");
    }
    for what in ["connection", "thread"] {
        assert!(text.contains(&format!("{what}: done")), "{what} in {text}");
    }
    assert!(!text.contains("hosts: permission"), "{text}");
}

/// A call under the number that kernels with x32 know it by; those without refuse it as unknown, and only then.
#[cfg(target_arch = "x86_64")]
#[test]
#[allow(unsafe_code, reason = "no safe function takes the number of a system call")]
fn no_call_gets_through_under_its_other_number() {
    if is_confined() {
        sandbox::enter().unwrap();
        // SAFETY: a process asks for its own number.
        let number = unsafe { nix::libc::syscall(0x4000_0000 + nix::libc::SYS_getpid) };
        let refused = number == -1 && io::Error::last_os_error().kind() == PermissionDenied;
        println!("x32: {}", if refused { "refused" } else { "not refused" });
        return;
    }
    let text = in_confinement("no_call_gets_through_under_its_other_number");
    println!("{text}");
    assert!(!seccomp_works() || text.contains("x32: refused"), "{text}");
}

/// True if this kernel has Landlock; found out by a thread that is thrown away.
fn landlock_works() -> bool {
    let applied = std::thread::spawn(|| {
        nix::sys::prctl::set_no_new_privs().unwrap();
        file_rules::apply().is_ok() && fs::read("/proc/self/status").is_err()
    });
    applied.join().unwrap()
}

fn seccomp_works() -> bool {
    let applied = std::thread::spawn(|| {
        nix::sys::prctl::set_no_new_privs().unwrap();
        call_filter::apply().is_ok()
    });
    applied.join().unwrap()
}

#[test]
fn memory_is_bounded() {
    if is_confined() {
        sandbox::enter().unwrap();
        let mut memory: Vec<u8> = Vec::new();
        let reserved = memory.try_reserve_exact(600 << 20);
        println!("memory: {}", if reserved.is_ok() { "given" } else { "refused" });
        return;
    }
    let text = in_confinement("memory_is_bounded");
    assert!(text.contains("memory: refused"), "{text}");
}

/// A process that is to be confined and goes on alone when it cannot be would be worse than none.
#[test]
fn a_lost_privilege_does_not_come_back() {
    if is_confined() {
        sandbox::enter().unwrap();
        let status = nix::sys::prctl::get_no_new_privs();
        println!("no_new_privs: {status:?} uid {}", nix::unistd::geteuid());
        return;
    }
    let text = in_confinement("a_lost_privilege_does_not_come_back");
    assert!(text.contains("no_new_privs: Ok(true)"), "{text}");
    assert!(!text.contains("uid 0"), "{text}");
}
