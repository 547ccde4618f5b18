//! Docker: our wrapper as its default runtime, and before every runtime that its configuration names.
//!
//! Source: dockerd(8), `daemon.json`; moby `daemon/runtime_unix.go`. Docker has no hooks and no drop-in files. The
//! name `runc` is Docker's own and cannot be given to another program.

use serde_json::Value;

use super::json_text::Members;
use super::node::Node;
use super::plan::{ByHand, Plan};
use super::{Adapter, Effect, Via};

/// The daemon's configuration.
const CONFIG: &str = "/etc/docker/daemon.json";
/// Our runtime's name.
const NAME: &str = "imgcompat";

/// The adapter.
pub struct Docker;

/// Names of the runtime that Docker has of its own.
const STOCK: [&str; 3] = ["runc", "io.containerd.runc.v2", ""];
/// Where an administrator gives dockerd its flags.
const FLAGS: [&str; 5] = [
    "/usr/lib/systemd/system/docker.service",
    "/lib/systemd/system/docker.service",
    "/etc/systemd/system/docker.service",
    "/etc/default/docker",
    "/etc/sysconfig/docker",
];
/// Drop-ins of the service.
const FLAGS_D: [&str; 2] =
    ["/usr/lib/systemd/system/docker.service.d", "/etc/systemd/system/docker.service.d"];

/// The file, and the flag in it, that dockerd does not start with once `daemon.json` has the same.
fn flag(node: &Node) -> Option<(String, &'static str)> {
    let drop_ins = FLAGS_D.iter().flat_map(|directory| node.drop_ins(directory, "conf"));
    FLAGS.into_iter().map(str::to_owned).chain(drop_ins).find_map(|file| {
        let text = node.current(&file).ok().flatten()?;
        let mut lines = text.lines().filter(|line| !line.trim_start().starts_with(['#', ';']));
        let found = lines.find_map(|line| {
            ["--add-runtime", "--default-runtime"].into_iter().find(|flag| line.contains(flag))
        });
        found.map(|flag| (file, flag))
    })
}

/// A runtime's value with us before it; none if it is not an OCI runtime that Docker calls by its path.
fn wrapped(node: &Node, runtime: &Value) -> Option<Value> {
    let path = runtime.get("path")?.as_str().filter(|path| !path.is_empty())?;
    // Ours already, in a file that somebody changed since: never the wrapper behind the wrapper.
    if path.ends_with("/imgcompat-runtime") {
        let mut runtime = runtime.clone();
        runtime.as_object_mut()?.insert("path".to_owned(), node.wrapper().into());
        return Some(runtime);
    }
    let real = if path.starts_with('/') { path.to_owned() } else { node.program(path)? };
    let theirs = runtime.get("runtimeArgs").and_then(Value::as_array).cloned().unwrap_or_default();
    let ours = Value::from(format!("--imgcompat-runtime={real}"));
    let arguments: Vec<Value> = [ours].into_iter().chain(theirs).collect();
    let mut runtime = runtime.clone();
    let object = runtime.as_object_mut()?;
    object.insert("path".to_owned(), node.wrapper().into());
    object.insert("runtimeArgs".to_owned(), arguments.into());
    Some(runtime)
}

fn edit(text: &str, node: &Node, plan: &mut Plan) -> Result<String, String> {
    let mut config = Members::parse(text)?;
    let mut runtimes = config.object("runtimes")?;
    let default: String = match config.get("default-runtime") {
        Some(name) => serde_json::from_str(name).map_err(|_| "`default-runtime` is no text")?,
        None => "runc".to_owned(),
    };
    for name in runtimes.names() {
        let runtime: Value = serde_json::from_str(runtimes.get(&name).unwrap_or("null"))
            .map_err(|error| error.to_string())?;
        match wrapped(node, &runtime) {
            Some(wrapped) if wrapped == runtime => {}
            Some(wrapped) => runtimes.set(&name, wrapped.to_string()),
            None if name == default => {
                return Err(format!(
                    "its default runtime {name} is no OCI runtime that Docker calls by its path, and cannot be put behind ours"
                ));
            }
            None => plan.note(format!(
                "the runtime {name} is no OCI runtime that Docker calls by its path, and is left alone: its containers are not judged"
            )),
        }
    }
    if STOCK.contains(&default.as_str()) {
        let runc = node.program("runc").ok_or("runc is not installed where it is looked for")?;
        let ours = serde_json::json!({"path": node.wrapper(), "runtimeArgs": [format!("--imgcompat-runtime={runc}")]});
        runtimes.set(NAME, ours.to_string());
        config.set("default-runtime", format!("\"{NAME}\""));
    } else if runtimes.get(&default).is_none() {
        return Err(format!("its default runtime {default} is not among its runtimes"));
    }
    config.set("runtimes", runtimes.text(1));
    plan.note("`docker run --runtime runc` goes round the wrapper; who may use Docker's socket is as good as root");
    plan.note(
        "steps of `docker build` by BuildKit do not use the default runtime and are not judged",
    );
    let edited = format!("{}\n", config.text(0));
    let value = |text: &str| serde_json::from_str::<Value>(text).ok();
    Ok(if value(&edited) == value(text) { text.to_owned() } else { edited })
}

impl Adapter for Docker {
    fn name(&self) -> &'static str {
        "docker"
    }

    fn program(&self) -> &'static str {
        "dockerd"
    }

    fn usual(&self) -> Via {
        Via::Wrapper
    }

    fn plan(&self, node: &Node, via: Via) -> Result<Plan, String> {
        if via == Via::Hook {
            return Err("Docker has no hooks; use --via wrapper".to_owned());
        }
        let mut plan = Plan::default();
        let text = node.text(CONFIG)?.filter(|text| !text.trim().is_empty());
        let edited = match flag(node) {
            None => edit(text.as_deref().unwrap_or("{}"), node, &mut plan),
            Some((file, flag)) => Err(format!(
                "{file} gives dockerd {flag}, and dockerd does not start if {CONFIG} names runtimes too. Take the flag out there, and add to the lines below the runtimes that it named"
            )),
        };
        match edited {
            Ok(edited) => plan.file(CONFIG, edited, 0o644),
            Err(reason) => plan.by_hand.push(ByHand {
                file: CONFIG.to_owned(),
                reason,
                lines: format!(
                    "\"runtimes\": {{\"{NAME}\": {{\"path\": \"{}\"}}}},\n\"default-runtime\": \"{NAME}\"\n",
                    node.wrapper()
                ),
            }),
        }
        Ok(plan)
    }

    fn effects(&self, node: &Node) -> Vec<Effect> {
        let of = |handler: &str, via, detail: String| Effect {
            handler: handler.to_owned(),
            via,
            detail,
        };
        let text = match node.current(CONFIG) {
            Ok(text) => {
                text.filter(|text| !text.trim().is_empty()).unwrap_or_else(|| "{}".to_owned())
            }
            Err(problem) => return vec![of("default", None, problem)],
        };
        let config: Value = match serde_json::from_str(&text) {
            Ok(config) => config,
            Err(error) => return vec![of("default", None, format!("{CONFIG}: {error}"))],
        };
        let default = config.get("default-runtime").and_then(Value::as_str).unwrap_or("runc");
        let runtimes = config.get("runtimes").and_then(Value::as_object);
        let mut effects: Vec<Effect> = Vec::new();
        for (name, runtime) in runtimes.into_iter().flatten() {
            let path = runtime.get("path").and_then(Value::as_str).unwrap_or_default();
            let handler = if name == default { format!("{name} (default)") } else { name.clone() };
            effects.push(if node.is_ours(path) {
                of(&handler, Some(Via::Wrapper), path.to_owned())
            } else {
                of(&handler, None, format!("its program is {path:?}"))
            });
        }
        if runtimes.is_none_or(|runtimes| !runtimes.contains_key(default)) {
            effects.insert(
                0,
                of(&format!("{default} (default)"), None, "it is Docker's own".to_owned()),
            );
        }
        effects
    }

    fn service(&self) -> Option<&'static str> {
        Some("docker")
    }
}
