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

/// A runtime's value with us before it; none if it is not an OCI runtime that Docker calls by its path.
fn wrapped(node: &Node, runtime: &Value) -> Option<Value> {
    let path = runtime.get("path")?.as_str().filter(|path| !path.is_empty())?;
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
            Some(runtime) => runtimes.set(&name, runtime.to_string()),
            None => plan.note(format!(
                "the runtime {name} is no OCI runtime that Docker calls by its path, and is left alone: its containers are not judged"
            )),
        }
    }
    if default == "runc" {
        let runc = node.program("runc").ok_or("runc is not installed where it is looked for")?;
        let ours = serde_json::json!({"path": node.wrapper(), "runtimeArgs": [format!("--imgcompat-runtime={runc}")]});
        runtimes.set(NAME, ours.to_string());
        config.set("default-runtime", format!("\"{NAME}\""));
    }
    config.set("runtimes", runtimes.text(1));
    plan.note("`docker run --runtime runc` goes round the wrapper; who may use Docker's socket is as good as root");
    plan.note(
        "steps of `docker build` by BuildKit do not use the default runtime and are not judged",
    );
    Ok(format!("{}\n", config.text(0)))
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
        match edit(text.as_deref().unwrap_or("{}"), node, &mut plan) {
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
            Ok(text) => text.unwrap_or_else(|| "{}".to_owned()),
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
