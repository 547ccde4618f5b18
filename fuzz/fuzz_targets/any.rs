//! Any one parser, named by the environment variable `TARGET`; the list is in `tests/fuzz/targets.rs`.

#![no_main]

#[path = "../../tests/fuzz/targets.rs"]
#[allow(dead_code, reason = "the seeds are for the tests")]
mod targets;

use std::sync::OnceLock;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    static TARGET: OnceLock<String> = OnceLock::new();
    let name = TARGET.get_or_init(|| std::env::var("TARGET").expect("TARGET names a parser"));
    targets::run(name, bytes);
});
