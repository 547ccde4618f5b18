//! What calls runc by its name, as nerdctl and ctr do, shown by ctr in a namespace of the probe's own.

use super::command::{Ended, run};
use super::stage::Stage;
use super::{Engine, socket};
use crate::engine::Node;

const NAMESPACE: &str = "imgcompat-probe";

/// ctr, and where containerd listens.
pub struct Ctr {
    program: String,
    socket: String,
}

impl Ctr {
    /// The one that is installed with containerd.
    pub fn of(node: &Node) -> Result<Self, String> {
        let program = node.program("ctr").ok_or("there is no program ctr")?;
        Ok(Ctr { program, socket: socket(node, "containerd")? })
    }

    fn run(&self, stage: &Stage, arguments: &[&str]) -> Result<Ended, String> {
        let mut all = vec!["-a", &self.socket, "-n", NAMESPACE];
        all.extend(arguments);
        run(stage, &self.program, &all)
    }
}

impl Engine for Ctr {
    fn load(&self, stage: &Stage) -> Result<(), String> {
        let archive = stage.archive().display().to_string();
        self.run(stage, &["images", "import", &archive])?.must_be_well().map(|_| ())
    }

    fn start(&self, stage: &Stage, image: &str) -> Result<Ended, String> {
        let name = stage.container();
        let ended = self.run(stage, &["run", "--rm", image, &name]);
        let _ = self.run(stage, &["containers", "rm", &name]);
        ended
    }

    fn clean(&self, stage: &Stage) {
        let (refused, allowed) = (stage.refused(), stage.allowed());
        let _ = self.run(stage, &["images", "rm", "--sync", &refused, &allowed]);
        let _ = self.run(stage, &["namespaces", "rm", NAMESPACE]);
    }
}
