//! Our programs: there, of one version, nobody else's to change.

use std::process::Command;

use super::Finding;
use crate::engine::Node;
use crate::files;

const INSTALL: &str = "sudo ./install.sh";

/// Looks at the hook and the wrapper runtime.
pub fn examine(node: &Node) -> Vec<Finding> {
    let mut findings = vec![program(node, &node.hook())];
    // The wrapper is needed only where an engine calls it, which `engines.rs` looks at.
    if node.at(&node.wrapper()).exists() {
        findings.push(program(node, &node.wrapper()));
    }
    findings
}

/// One program: there, executable, trusted, and of this tool's version.
pub fn program(node: &Node, path: &str) -> Finding {
    let place = node.at(path);
    let Ok(metadata) = std::fs::metadata(&place) else {
        let finding = format!(
            "{path} is missing: engines that are told to call it start everything unjudged, or nothing"
        );
        return Finding::problem("programs", finding, INSTALL);
    };
    if !files::is_trusted(&metadata) {
        let finding = format!("{path} can be changed by others than root");
        return Finding::problem(
            "programs",
            finding,
            format!("chown root: {path}; chmod 755 {path}"),
        );
    }
    // The wrapper answers `--version` as the real runtime does.
    if path.ends_with("-runtime") {
        return Finding::ok("programs", format!("{path} is there"));
    }
    let own = env!("CARGO_PKG_VERSION");
    match Command::new(&place).arg("--version").env_clear().output() {
        Ok(output) if output.status.success() => {
            let text = String::from_utf8_lossy(&output.stdout);
            let version = text.split_whitespace().last().unwrap_or_default().to_owned();
            if version == own {
                return Finding::ok("programs", format!("{path} is version {version}"));
            }
            let finding = format!("{path} is version {version}, this tool is {own}");
            Finding::warning("programs", finding, INSTALL)
        }
        Ok(output) => {
            Finding::problem("programs", format!("{path} does not run: {}", output.status), INSTALL)
        }
        Err(error) => {
            Finding::problem("programs", format!("{path} does not run: {error}"), INSTALL)
        }
    }
}
