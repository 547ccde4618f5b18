//! Which files the worker can still open: what a resolver of names and a check of certificates read, and those only to
//! read. Everything else that its user could read, or write, or execute, is out of reach.
//!
//! Landlock (Linux 5.13; its rules for TCP and for signals came later). A kernel without it leaves the ordinary
//! permissions of an unprivileged user.

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset,
    RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetError, Scope,
};

/// The newest interface that is known here; what a kernel lacks of it is left out.
const NEWEST: ABI = ABI::V6;

/// Read by the C library's resolver (musl: resolv.conf, hosts; glibc: the rest and the modules it names), and the places
/// of certificates. `resolv.conf` is a link to one of those in /run on many systems.
const READABLE: [&str; 17] = [
    "/etc/resolv.conf",
    "/etc/hosts",
    "/etc/host.conf",
    "/etc/nsswitch.conf",
    "/etc/gai.conf",
    "/etc/services",
    "/etc/ld.so.cache",
    "/etc/ssl",
    "/etc/pki",
    "/etc/ca-certificates",
    "/run/systemd/resolve",
    "/run/resolvconf",
    "/run/NetworkManager",
    "/usr/lib",
    "/usr/lib64",
    "/usr/share/ca-certificates",
    "/var/lib/ca-certificates",
];

/// Takes every other file away from this process, for good.
pub fn apply() -> Result<(), RulesetError> {
    let ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(NEWEST))?
        .handle_access(AccessNet::BindTcp)?
        .scope(Scope::AbstractUnixSocket | Scope::Signal)?
        .create()?;
    READABLE.iter().try_fold(ruleset, |ruleset, path| allow(ruleset, path))?.restrict_self()?;
    Ok(())
}

/// A path that is not there needs no rule.
fn allow(ruleset: RulesetCreated, path: &str) -> Result<RulesetCreated, RulesetError> {
    let Ok(file) = PathFd::new(path) else { return Ok(ruleset) };
    let directory = std::fs::metadata(path).is_ok_and(|metadata| metadata.is_dir());
    let access =
        if directory { AccessFs::ReadFile | AccessFs::ReadDir } else { AccessFs::ReadFile.into() };
    ruleset.add_rule(PathBeneath::new(file, access))
}
