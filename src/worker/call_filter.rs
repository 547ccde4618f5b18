//! System calls that the worker has no use for and an intruder would: new processes and programs, other processes'
//! memory, other namespaces, the kernel's odder doors. Each is answered with "not permitted".
//!
//! seccomp. What is listed is refused and the rest allowed, since the C libraries (two of them, over many versions) need
//! calls of their own choosing; the user, the limits and the file rules bound what the rest can do.

use std::collections::BTreeMap;

use nix::libc;
#[cfg(target_arch = "x86_64")]
use seccompiler::sock_filter;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

/// Why the filter is not in force.
#[derive(Debug, thiserror::Error)]
pub enum FilterError {
    /// No filter is made for this architecture.
    #[error("no filter of system calls is made for {}", std::env::consts::ARCH)]
    Architecture,
    /// The kernel, or a filter that is in force already, refuses it.
    #[error("the filter of system calls is refused: {0}")]
    Refused(#[from] seccompiler::Error),
    /// The filter's own rules.
    #[error("the filter of system calls cannot be made: {0}")]
    Rules(#[from] seccompiler::BackendError),
}

/// Refused whatever their arguments.
const REFUSED: [i64; 35] = [
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_pidfd_send_signal,
    libc::SYS_kcmp,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_fsopen,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_open_by_handle_at,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_acct,
    libc::SYS_personality,
    libc::SYS_syslog,
];

/// Families of sockets that a resolver and an HTTP client need.
const FAMILIES: [i32; 4] = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK];

/// Puts the filter in force for this process and its threads, for good. Needs `no_new_privs`.
pub fn apply() -> Result<(), FilterError> {
    let architecture =
        TargetArch::try_from(std::env::consts::ARCH).map_err(|_| FilterError::Architecture)?;
    let refuse = SeccompAction::Errno(libc::EPERM as u32);
    let filter = SeccompFilter::new(rules()?, SeccompAction::Allow, refuse, architecture)?;
    seccompiler::apply_filter(&BpfProgram::try_from(filter)?)?;
    // `clone3` keeps its arguments in memory, where no filter can see them. Without it the C libraries use `clone`.
    let absent = SeccompAction::Errno(libc::ENOSYS as u32);
    let clone3 = BTreeMap::from([(libc::SYS_clone3, Vec::new())]);
    let filter = SeccompFilter::new(clone3, SeccompAction::Allow, absent, architecture)?;
    seccompiler::apply_filter(&BpfProgram::try_from(filter)?)?;
    #[cfg(target_arch = "x86_64")]
    seccompiler::apply_filter(&without_x32())?;
    Ok(())
}

/// Kernels with x32 know every system call by a second number, above this one, that no filter by number thinks of
/// (seccomp(2), "Caveats"). No program here is x32.
#[cfg(target_arch = "x86_64")]
fn without_x32() -> BpfProgram {
    use libc::{BPF_ABS, BPF_JGE, BPF_JMP, BPF_K, BPF_LD, BPF_RET, BPF_W};
    const FIRST: u32 = 0x4000_0000;
    let step = |code: u32, jf: u8, k: u32| sock_filter { code: code as u16, jt: 0, jf, k };
    vec![
        // The number is the first word of what the filter sees.
        step(BPF_LD | BPF_W | BPF_ABS, 0, 0),
        step(BPF_JMP | BPF_JGE | BPF_K, 1, FIRST),
        step(BPF_RET | BPF_K, 0, libc::SECCOMP_RET_ERRNO | libc::EPERM as u32),
        step(BPF_RET | BPF_K, 0, libc::SECCOMP_RET_ALLOW),
    ]
}

fn rules() -> Result<BTreeMap<i64, Vec<SeccompRule>>, seccompiler::BackendError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        REFUSED.iter().map(|call| (*call, Vec::new())).collect();
    let thread = libc::CLONE_THREAD as u64;
    let not_a_thread = SeccompCmpOp::MaskedEq(thread);
    let process = SeccompCondition::new(0, SeccompCmpArgLen::Qword, not_a_thread, 0)?;
    rules.insert(libc::SYS_clone, vec![SeccompRule::new(vec![process])?]);
    let others = FAMILIES.map(|family| {
        SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, family as u64)
    });
    let others = others.into_iter().collect::<Result<Vec<_>, _>>()?;
    rules.insert(libc::SYS_socket, vec![SeccompRule::new(others)?]);
    #[cfg(target_arch = "x86_64")]
    for call in [libc::SYS_fork, libc::SYS_vfork] {
        rules.insert(call, Vec::new());
    }
    Ok(rules)
}
