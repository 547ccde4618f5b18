//! podman and Docker: both load, run and remove by the same words.

use super::Engine;
use super::command::{Ended, run};
use super::stage::Stage;
use crate::engine::Node;

/// podman's or Docker's program.
pub struct DockerLike {
    program: String,
}

impl DockerLike {
    /// The program of that name.
    pub fn of(node: &Node, name: &str) -> Result<Self, String> {
        let program = node.program(name).ok_or_else(|| format!("there is no program {name}"))?;
        Ok(DockerLike { program })
    }
}

impl Engine for DockerLike {
    fn load(&self, stage: &Stage) -> Result<(), String> {
        let archive = stage.archive().display().to_string();
        let ended = run(stage, &self.program, &["load", "-q", "-i", &archive])?;
        ended.must_be_well().map(|_| ())
    }

    fn start(&self, stage: &Stage, image: &str) -> Result<Ended, String> {
        let name = stage.container();
        let run_it =
            ["run", "--rm", "--pull", "never", "--network", "none", "--name", &name, image];
        let ended = run(stage, &self.program, &run_it);
        // A container that did not start is not removed by --rm.
        let _ = run(stage, &self.program, &["rm", "-f", &name]);
        ended
    }

    fn clean(&self, stage: &Stage) {
        for image in [stage.refused(), stage.allowed()] {
            let _ = run(stage, &self.program, &["rmi", "-f", &image]);
        }
    }
}
