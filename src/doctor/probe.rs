//! A throw-away container, to see that the hook is really called.
//!
//! It is made from a directory that holds nothing but the hook's own program, so no image is needed and nothing is judged;
//! that it was not judged is written into the decision log, and that line is what is looked for. Only podman can be
//! asked for such a container without an image and without touching the node's workloads.

use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;

use super::Finding;
use crate::audit::{log, sanitize};
use crate::engine::Node;
use crate::paths::Paths;

/// Starts a container by podman, if it is there, and looks for its record.
pub fn examine(node: &Node, paths: &Paths) -> Vec<Finding> {
    let Some(podman) = node.program("podman").filter(|_| node.is_running()) else {
        return vec![Finding::warning(
            "probe",
            "podman is not here, and no other engine can be probed",
            "start a container, and imgcompat why --last 1",
        )];
    };
    vec![match podman_probe(node, paths, &podman) {
        Ok(finding) => finding,
        Err(error) => Finding::warning(
            "probe",
            format!("the probe could not be made: {error}"),
            "imgcompat why --last 1",
        ),
    }]
}

fn podman_probe(node: &Node, paths: &Paths, podman: &str) -> io::Result<Finding> {
    let root = std::env::temp_dir().join(format!("imgcompat-probe-{}", std::process::id()));
    fs::create_dir(&root)?;
    let result = run(node, paths, podman, &root);
    fs::remove_dir_all(&root)?;
    result
}

fn run(node: &Node, paths: &Paths, podman: &str, root: &Path) -> io::Result<Finding> {
    fs::copy(node.at(&node.hook()), root.join("probe"))?;
    let file = paths.log_dir().join(log::FILE_NAME);
    let before = fs::metadata(&file).map_or(0, |metadata| metadata.len());
    let output = Command::new(podman)
        .args(["run", "--rm", "--network", "none", "--rootfs"])
        .arg(root)
        .args(["/probe", "--version"])
        .output()?;
    let after = fs::metadata(&file).map_or(0, |metadata| metadata.len());
    if after != before {
        return Ok(Finding::ok("probe", "podman started a container, and the hook was called"));
    }
    let said = sanitize::bounded_line(&String::from_utf8_lossy(&output.stderr), 300);
    if !output.status.success() {
        return Ok(Finding::warning(
            "probe",
            format!("podman did not start a container: {said}"),
            "podman info",
        ));
    }
    let finding =
        "podman started a container, and the hook was not called: everything starts unjudged";
    Ok(Finding::problem("probe", finding, "imgcompat enable podman"))
}
