//! Any one parser, named by the environment variable `TARGET`; the list is in `tests/fuzz/targets.rs`.

#![no_main]

#[path = "../../tests/fuzz/targets.rs"]
#[allow(dead_code, reason = "the seeds are for the tests")]
mod targets;

use std::sync::OnceLock;

use nix::sys::signal::{SigHandler, Signal, signal};

static TARGET: OnceLock<String> = OnceLock::new();

libfuzzer_sys::fuzz_target!(
    init: {
        TARGET.get_or_init(|| std::env::var("TARGET").expect("TARGET names a parser"));
        // libFuzzer's main leaves it deadly; that of a Rust program, as the hook and its worker have it, ignores it.
        // SAFETY: ignoring a signal installs no code.
        let _ = unsafe { signal(Signal::SIGPIPE, SigHandler::SigIgn) };
    },
    |bytes: &[u8]| targets::run(TARGET.get().expect("set before the first input"), bytes)
);
