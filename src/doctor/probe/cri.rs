//! containerd and CRI-O through CRI, as the kubelet does it: a sandbox, a container in it, and its start. By crictl; the
//! images come in by another door, since CRI can only pull.

use std::fs;
use std::time::Duration;

use super::command::{Ended, run};
use super::stage::Stage;
use super::{Engine, socket};
use crate::engine::{Node, crio};

/// How often, and after what time, an image is looked for that has just been brought in: containerd's CRI hears of it late.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(250);

/// crictl, the engine's socket, and the door for images.
pub struct Cri {
    crictl: String,
    endpoint: String,
    door: Door,
}

enum Door {
    /// containerd's own client.
    Ctr { program: String, socket: String },
    /// skopeo, into CRI-O's storage.
    Skopeo { program: String, storage: String },
}

impl Cri {
    /// The programs for containerd or CRI-O.
    pub fn of(node: &Node, engine: &str) -> Result<Self, String> {
        let need = |name: &str| {
            node.program(name).ok_or_else(|| format!("{name} is not installed, which it takes"))
        };
        let socket = socket(node, engine)?;
        let crictl = need("crictl")?;
        let door = if engine == "crio" {
            Door::Skopeo { program: need("skopeo")?, storage: crio::storage(node) }
        } else {
            Door::Ctr { program: need("ctr")?, socket: socket.clone() }
        };
        Ok(Cri { crictl, endpoint: format!("unix://{socket}"), door })
    }

    fn crictl(&self, stage: &Stage, arguments: &[&str]) -> Result<Ended, String> {
        let (runtime, image) = ("--runtime-endpoint", "--image-endpoint");
        let mut all = vec![runtime, &self.endpoint, image, &self.endpoint, "--timeout", "45s"];
        all.extend(arguments);
        run(stage, &self.crictl, &all)
    }

    fn bring_in(&self, stage: &Stage) -> Result<(), String> {
        let archive = stage.archive().display().to_string();
        match &self.door {
            Door::Ctr { program, socket } => {
                let import = ["-a", socket, "-n", "k8s.io", "images", "import", &archive];
                run(stage, program, &import)?.must_be_well()?;
            }
            Door::Skopeo { program, storage } => {
                for image in [stage.refused(), stage.allowed()] {
                    let from = format!("docker-archive:{archive}:{image}");
                    let to = format!("containers-storage:{storage}{image}");
                    // What the node lets in from outside is no matter here.
                    let copy = ["--insecure-policy", "copy", "-q", &from, &to];
                    run(stage, program, &copy)?.must_be_well()?;
                }
            }
        }
        Ok(())
    }

    /// Create and start; the container's process ends by itself.
    fn in_sandbox(&self, stage: &Stage, sandbox: &str, image: &str) -> Result<Ended, String> {
        let container = serde_json::json!({
            "metadata": {"name": "probe"}, "image": {"image": image}, "log_path": "probe.log", "linux": {},
        });
        let place = stage.file("container.json");
        fs::write(&place, container.to_string()).map_err(|error| error.to_string())?;
        let (place, pod) =
            (place.display().to_string(), stage.file("pod.json").display().to_string());
        let created = self.crictl(stage, &["create", sandbox, &place, &pod])?;
        if !created.ok {
            return Ok(created);
        }
        self.crictl(stage, &["start", last_word(&created.said)])
    }

    fn wait_for(&self, stage: &Stage, image: &str) -> Result<(), String> {
        let mut said = String::new();
        for _ in 0..TRIES {
            let ended = self.crictl(stage, &["inspecti", "-q", image])?;
            if ended.ok {
                return Ok(());
            }
            said = ended.said;
            std::thread::sleep(PAUSE);
        }
        Err(said)
    }
}

/// Programs may warn before they print an id.
fn last_word(said: &str) -> &str {
    said.split_whitespace().last().unwrap_or_default()
}

impl Engine for Cri {
    fn load(&self, stage: &Stage) -> Result<(), String> {
        self.bring_in(stage)?;
        [stage.refused(), stage.allowed()].iter().try_for_each(|image| self.wait_for(stage, image))
    }

    fn start(&self, stage: &Stage, image: &str) -> Result<Ended, String> {
        let name = stage.container();
        // The node's own network, so that no plugin is needed.
        let pod = serde_json::json!({
            "metadata": {"name": name, "uid": name, "namespace": "imgcompat-probe"},
            "log_directory": stage.file(""),
            "linux": {"security_context": {"namespace_options": {"network": 2}}},
        });
        let place = stage.file("pod.json");
        fs::write(&place, pod.to_string()).map_err(|error| error.to_string())?;
        let sandbox = self.crictl(stage, &["runp", &place.display().to_string()])?.must_be_well();
        let sandbox = sandbox.map_err(|said| format!("no pod can be made: {said}"))?;
        let sandbox = last_word(&sandbox).to_owned();
        let ended = self.in_sandbox(stage, &sandbox, image);
        let _ = self.crictl(stage, &["rmp", "-f", &sandbox]);
        ended
    }

    fn clean(&self, stage: &Stage) {
        let _ = self.crictl(stage, &["rmi", &stage.refused(), &stage.allowed()]);
    }
}
