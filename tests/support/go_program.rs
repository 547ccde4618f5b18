//! Go programs that tests compare with, built once where there is Go and the module proxy.

use std::path::PathBuf;
use std::process::Command;

/// Builds the program of a folder of this directory; the reason if that is not possible here.
pub fn build(folder: &str, name: &str) -> Result<PathBuf, String> {
    let program = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let source = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests").join(folder);
    let built = ["go", "/usr/local/go/bin/go"].iter().find_map(|go| {
        let mut build = Command::new(go);
        build.current_dir(&source).args(["build", "-buildvcs=false", "-o"]).arg(&program).arg(".");
        build.env("CGO_ENABLED", "0").output().ok()
    });
    let output = built.ok_or_else(|| "there is no Go compiler".to_owned())?;
    let errors = String::from_utf8_lossy(&output.stderr);
    let unreachable = ["dial tcp", "lookup ", "Forbidden", "proxyconnect", "connection refused"];
    if output.status.success() {
        return Ok(program);
    }
    if unreachable.iter().any(|sign| errors.contains(sign)) {
        return Err(format!("the modules of {folder} cannot be fetched: {errors}"));
    }
    panic!("{folder} does not build: {errors}")
}
