//! containerd's CRI: every handler of its configuration gets a base specification with our hook, or our wrapper in
//! place of its runtime.
//!
//! Source: containerd `docs/cri/config.md`, `internal/cri/config/config.go`. containerd has drop-in files only by
//! `imports`, which not every file has, so the file itself is edited, with its comments and its order (`imports.rs`). A base
//! specification turns off that CRI resets some defaults of containerd's own (rlimits, AppArmor, seccomp), so ours
//! is that default without them; nothing else of a container changes. A base specification reaches containers and
//! not sandboxes; a wrapper reaches both, and what it hears of a sandbox it lets pass.

use toml_edit::{DocumentMut, Item, Table, TableLike, value};

use self::imports::{Handler, Imported, handlers, imported, together};
use super::node::Node;
use super::plan::{ByHand, Plan};
use super::{Adapter, Effect, Via};

mod imports;

/// The configuration of distributions and of containerd's own packages.
const CONFIG: &str = "/etc/containerd/config.toml";
/// Templates from which k3s and RKE2 make theirs, by version of the format.
const TEMPLATES: [(&str, i64); 4] = [
    ("/var/lib/rancher/k3s/agent/etc/containerd/config.toml.tmpl", 2),
    ("/var/lib/rancher/k3s/agent/etc/containerd/config-v3.toml.tmpl", 3),
    ("/var/lib/rancher/rke2/agent/etc/containerd/config.toml.tmpl", 2),
    ("/var/lib/rancher/rke2/agent/etc/containerd/config-v3.toml.tmpl", 3),
];
/// The configurations that k3s and RKE2 make, each time they start.
const GENERATED: [&str; 2] = [
    "/var/lib/rancher/k3s/agent/etc/containerd/config.toml",
    "/var/lib/rancher/rke2/agent/etc/containerd/config.toml",
];
/// Where our base specifications are.
const SPECS: &str = "/etc/imgcompat/containerd";
/// That of handlers that had none.
const BASE: &str = "/etc/imgcompat/containerd/base.json";
/// The shim that runs OCI runtimes, which alone run hooks.
const SHIM: &str = "io.containerd.runc.v2";

/// The adapter.
pub struct Containerd;

/// The name of the table that has CRI's runtimes, by the version of the configuration.
fn plugin(version: i64) -> Option<&'static str> {
    match version {
        2 => Some("io.containerd.grpc.v1.cri"),
        3.. => Some("io.containerd.cri.v1.runtime"),
        _ => None,
    }
}

/// What a configuration says about itself.
fn parse(text: &str) -> Result<(DocumentMut, &'static str), String> {
    let document: DocumentMut =
        text.parse().map_err(|error: toml_edit::TomlError| error.message().to_owned())?;
    let version = document.get("version").and_then(Item::as_integer).unwrap_or(1);
    let plugin = plugin(version).ok_or("it is of version 1, in which the names are others; `containerd config migrate` writes a newer one")?;
    Ok((document, plugin))
}

/// True if containerd has no CRI, as Docker's packages install it: then it has no handlers.
fn is_without_cri(text: &str) -> bool {
    let Ok(document) = text.parse::<DocumentMut>() else { return false };
    let disabled = document.get("disabled_plugins").and_then(Item::as_array);
    let cri = ["cri", "io.containerd.grpc.v1.cri", "io.containerd.cri.v1.runtime"];
    disabled.is_some_and(|list| list.iter().any(|p| p.as_str().is_some_and(|p| cri.contains(&p))))
}

/// The table at a path, made where it is missing.
fn table<'a>(root: &'a mut dyn TableLike, path: &[&str]) -> Result<&'a mut dyn TableLike, String> {
    let Some((name, rest)) = path.split_first() else { return Ok(root) };
    let item = root.entry(name).or_insert_with(|| {
        let mut table = new_table();
        table.set_implicit(true);
        Item::Table(table)
    });
    let next = item.as_table_like_mut().ok_or_else(|| format!("`{name}` is no table"))?;
    table(next, rest)
}

/// A table at the end of the file, where it comes between no two of somebody's.
fn new_table() -> Table {
    let mut table = Table::new();
    table.set_position(Some(isize::MAX));
    table
}

/// Sets a key: in its place, or at the end and indented as its neighbours are.
fn set(table: &mut dyn TableLike, name: &str, text: String) {
    if let Some(item) = table.get_mut(name) {
        *item = value(text);
        return;
    }
    let first = table.iter().next().map(|(first, _)| first.to_owned());
    let indent = first.and_then(|first| {
        let prefix = table.key(&first)?.leaf_decor().prefix()?.as_str()?;
        Some(prefix.rsplit('\n').next().unwrap_or_default().to_owned())
    });
    table.insert(name, value(text));
    if let (Some(indent), Some(mut key)) = (indent, table.key_mut(name)) {
        key.leaf_decor_mut().set_prefix(indent);
    }
}

/// The configuration with us. `plan` gets the files that it names.
fn edit(text: &str, via: Via, node: &Node, plan: &mut Plan) -> Result<String, String> {
    let (mut document, plugin) = parse(text)?;
    let runtimes = table(document.as_table_mut(), &["plugins", plugin, "containerd", "runtimes"])?;
    let names: Vec<String> = runtimes.iter().map(|(name, _)| name.to_owned()).collect();
    // The handler runc is there even if the file does not name it.
    let missing = (!names.iter().any(|name| name == "runc")).then(|| "runc".to_owned());
    for name in names.into_iter().chain(missing) {
        let handler = table(runtimes, &[&name])?;
        if !handler.contains_key("runtime_type") && name == "runc" {
            set(handler, "runtime_type", SHIM.to_owned());
        }
        let kind = handler.get("runtime_type").and_then(Item::as_str).unwrap_or_default();
        if kind != SHIM {
            plan.note(format!(
                "the handler {name} (runtime_type {kind:?}) has no OCI runtime on the node and is left alone: its containers are not judged"
            ));
            continue;
        }
        if calls_us(node, handler, via) {
            let path = handler.get("base_runtime_spec").and_then(Item::as_str);
            if path == Some(BASE) {
                plan.file(BASE, our_base(node)?, 0o644);
            }
            continue;
        }
        match via {
            Via::Hook => hook(handler, &name, node, plan)?,
            Via::Wrapper => wrap(handler, &name, node, plan)?,
        }
    }
    Ok(document.to_string())
}

/// True if a handler calls us already, in a file that somebody changed since `enable`: then it stays as it is.
fn calls_us(node: &Node, handler: &dyn TableLike, via: Via) -> bool {
    let text = |item: Option<&Item>| item.and_then(Item::as_str).unwrap_or_default().to_owned();
    let spec = text(handler.get("base_runtime_spec"));
    let binary = text(handler.get("options").and_then(|options| options.get("BinaryName")));
    match via {
        Via::Hook => spec == BASE || spec.starts_with(SPECS) && has_hook(node, &spec),
        Via::Wrapper => node.is_ours(&binary),
    }
}

fn has_hook(node: &Node, spec: &str) -> bool {
    node.current(spec).ok().flatten().is_some_and(|text| text.contains(&node.hook()))
}

/// Something of ours that this way of enabling would add to or be put behind, in a file that was changed since.
fn in_the_way(node: &Node, text: &str, via: Via) -> Option<String> {
    let (document, plugin) = parse(text).ok()?;
    let runtimes = ["plugins", plugin, "containerd", "runtimes"]
        .iter()
        .try_fold(document.as_item(), |at, name| at.get(*name))
        .and_then(Item::as_table_like)?;
    runtimes.iter().find_map(|(name, handler)| {
        let handler = handler.as_table_like()?;
        let options = handler.get("options").and_then(|options| options.get("BinaryName"));
        let found = [("base_runtime_spec", handler.get("base_runtime_spec")), ("BinaryName", options)];
        let (key, value) = found.into_iter().find(|(_, value)| {
            value.and_then(Item::as_str).is_some_and(|path| path.starts_with("/etc/imgcompat/") || path.ends_with("/imgcompat-runtime"))
        })?;
        (!calls_us(node, handler, via)).then(|| {
            let value = value.and_then(Item::as_str).unwrap_or_default();
            format!("in {CONFIG}, which was changed after imgcompat had changed it, the handler {name} has `{key} = \"{value}\"`: put back what was there before, or take that line out, then enable again; nothing was changed")
        })
    })
}

fn our_base(node: &Node) -> Result<String, String> {
    with_hook(&without_reset_defaults(&node.default_spec()?)?, node)
}

fn hook(
    handler: &mut dyn TableLike,
    name: &str,
    node: &Node,
    plan: &mut Plan,
) -> Result<(), String> {
    let before =
        handler.get("base_runtime_spec").and_then(Item::as_str).filter(|path| !path.is_empty());
    let (path, spec) = spec_for(node, name, before)?;
    plan.file(path.clone(), spec, 0o644);
    set(handler, "base_runtime_spec", path);
    Ok(())
}

/// The base specification of a handler that has this one, or none: where it is, and its text.
fn spec_for(node: &Node, name: &str, before: Option<&str>) -> Result<(String, String), String> {
    let Some(theirs) = before else { return Ok((BASE.to_owned(), our_base(node)?)) };
    let spec = node
        .text(theirs)?
        .ok_or_else(|| format!("{theirs}, which the handler {name} names, is not there"))?;
    Ok((format!("{SPECS}/{name}.json"), with_hook(&spec, node)?))
}

/// containerd `internal/cri/server/container_create.go`: without a base specification, CRI starts from the default
/// one and takes these out.
fn without_reset_defaults(spec: &str) -> Result<String, String> {
    let mut spec: serde_json::Value = serde_json::from_str(spec).map_err(|e| e.to_string())?;
    if let Some(process) = spec.get_mut("process").and_then(|p| p.as_object_mut()) {
        process.remove("rlimits");
        process.remove("apparmorProfile");
    }
    if let Some(linux) = spec.get_mut("linux").and_then(|l| l.as_object_mut()) {
        linux.remove("seccomp");
    }
    serde_json::to_string(&spec).map_err(|error| error.to_string())
}

/// A runtime specification with our hook after those it has.
fn with_hook(spec: &str, node: &Node) -> Result<String, String> {
    let mut spec: serde_json::Value = serde_json::from_str(spec)
        .map_err(|error| format!("a base specification is not valid JSON: {error}"))?;
    let ours = serde_json::json!({
        "path": node.hook(),
        "args": node.hook_arguments(),
        "env": ["PATH=/usr/bin:/bin"],
        "timeout": 10,
    });
    let hooks = spec.as_object_mut().ok_or("a base specification is no JSON object")?;
    let hooks = hooks.entry("hooks").or_insert_with(|| serde_json::json!({}));
    let hooks = hooks.as_object_mut().ok_or("its hooks are no JSON object")?;
    let list = hooks.entry("createRuntime").or_insert_with(|| serde_json::json!([]));
    list.as_array_mut().ok_or("its hooks are no list")?.push(ours);
    let text = serde_json::to_string_pretty(&spec).map_err(|error| error.to_string())?;
    Ok(format!("{text}\n"))
}

fn wrap(
    handler: &mut dyn TableLike,
    name: &str,
    node: &Node,
    plan: &mut Plan,
) -> Result<(), String> {
    let inline = handler.get("options").is_none_or(Item::is_table_like);
    if !inline {
        return Err(format!("the options of the handler {name} are no table"));
    }
    if !handler.contains_key("options") {
        handler.insert("options", Item::Table(new_table()));
    }
    let options = table(handler, &["options"])?;
    let before = options.get("BinaryName").and_then(Item::as_str).filter(|path| !path.is_empty());
    let binary = binary_for(node, name, before, plan)?;
    set(options, "BinaryName", binary);
    Ok(())
}

/// The runtime of a handler that has this one, or none: the wrapper, or a script that leads from it to that one.
fn binary_for(
    node: &Node,
    name: &str,
    before: Option<&str>,
    plan: &mut Plan,
) -> Result<String, String> {
    let Some(named) = before else { return Ok(node.wrapper()) };
    let real = if named.starts_with('/') { Some(named.to_owned()) } else { node.program(named) };
    let real = real
        .ok_or_else(|| format!("{named}, the runtime of the handler {name}, is not installed"))?;
    let script = format!("/etc/imgcompat/runtimes/containerd-{name}");
    plan.file(script.clone(), node.script(&real), 0o755);
    Ok(script)
}

/// What a person adds for k3s or RKE2. Their template makes the handler runc itself, and a table cannot be written twice,
/// so the lines make another handler, and their configuration makes it the default.
fn lines_for_template(node: &Node, via: Via, version: i64) -> String {
    let plugin = plugin(version).unwrap_or_default();
    let handler = format!("plugins.'{plugin}'.containerd.runtimes.imgcompat");
    let ours = match via {
        Via::Hook => format!(
            "[{handler}]\n  runtime_type = \"{SHIM}\"\n  base_runtime_spec = \"{SPECS}/base.json\"\n"
        ),
        Via::Wrapper => format!("[{handler}]\n  runtime_type = \"{SHIM}\"\n"),
    };
    let binary = match via {
        Via::Hook => String::new(),
        Via::Wrapper => format!("  BinaryName = \"{}\"\n", node.wrapper()),
    };
    format!(
        "{{{{ template \"base\" . }}}}\n{ours}[{handler}.options]\n{binary}  SystemdCgroup = {{{{ .SystemdCgroup }}}}\n"
    )
}

/// Handlers in an imported file that do not call us: the file is somebody else's, an installer of drivers or a person's,
/// and what it says counts after ours. What its lines would name is made.
fn left_in(node: &Node, via: Via, file: &Imported, plan: &mut Plan) -> Result<(), String> {
    let Some(plugin) = file.plugin else { return Ok(()) };
    let is_oci = |handler: &Handler| handler.kind.as_deref().is_none_or(|kind| kind == SHIM);
    let mut lines = String::new();
    for (name, handler) in file.handlers(node) {
        if !is_oci(&handler) || effect(node, &name, &handler).via.is_some() {
            continue;
        }
        let table = format!("plugins.\"{plugin}\".containerd.runtimes.{name}");
        lines += &match via {
            Via::Hook => {
                let (path, spec) = spec_for(node, &name, handler.spec.as_deref())?;
                plan.file(path.clone(), spec, 0o644);
                format!("[{table}]\n  base_runtime_spec = \"{path}\"\n")
            }
            Via::Wrapper => {
                let binary = binary_for(node, &name, handler.binary.as_deref(), plan)?;
                format!("[{table}.options]\n  BinaryName = \"{binary}\"\n")
            }
        };
    }
    if !lines.is_empty() {
        let reason = format!("{CONFIG} imports it, and its handlers do not call imgcompat");
        plan.by_hand.push(ByHand { file: file.path.clone(), reason, lines });
    }
    Ok(())
}

/// What a person adds to a file that we do not edit.
fn lines(node: &Node, via: Via, version: i64) -> String {
    let handler = match plugin(version) {
        Some(plugin) => format!("plugins.\"{plugin}\".containerd.runtimes.runc"),
        None => "plugins.cri.containerd.runtimes.runc".to_owned(),
    };
    match via {
        Via::Hook => format!(
            "[{handler}]\n  runtime_type = \"{SHIM}\"\n  base_runtime_spec = \"{SPECS}/base.json\"\n"
        ),
        Via::Wrapper => format!(
            "[{handler}]\n  runtime_type = \"{SHIM}\"\n[{handler}.options]\n  BinaryName = \"{}\"\n",
            node.wrapper()
        ),
    }
}

impl Adapter for Containerd {
    fn name(&self) -> &'static str {
        "containerd"
    }

    fn program(&self) -> &'static str {
        "containerd"
    }

    fn usual(&self) -> Via {
        Via::Hook
    }

    fn plan(&self, node: &Node, via: Via) -> Result<Plan, String> {
        let mut plan = Plan::default();
        let rancher = rancher(node, via, &mut plan)?;
        let text = node.text(CONFIG)?;
        if text.is_none() && rancher {
            return Ok(plan);
        }
        // Every containerd since 1.3 reads version 2.
        let text = text
            .filter(|text| !text.trim().is_empty())
            .unwrap_or_else(|| "version = 2\n".to_owned());
        if is_without_cri(&text) {
            plan.note(format!("{CONFIG} disables CRI, so this containerd has no handlers; `imgcompat enable nerdctl` reaches what calls runc by its name"));
            return Ok(plan);
        }
        if let Some(problem) = in_the_way(node, &text, via) {
            return Err(problem);
        }
        match edit(&text, via, node, &mut plan) {
            Ok(edited) => plan.file(CONFIG, edited, 0o644),
            Err(reason) => {
                // A file that can be read and names no version is of the first.
                let version = text.parse::<DocumentMut>().map_or(2, |document| {
                    document.get("version").and_then(Item::as_integer).unwrap_or(1)
                });
                plan.files.clear();
                if via == Via::Hook {
                    // What the lines name has to be there: without it containerd would start nothing.
                    let base = our_base(node).map_err(|_| format!("{CONFIG}: {reason}"))?;
                    plan.file(BASE, base, 0o644);
                }
                let lines = lines(node, via, version);
                plan.by_hand.push(ByHand { file: CONFIG.to_owned(), reason, lines });
            }
        }
        for file in imported(node, CONFIG) {
            left_in(node, via, &file, &mut plan)?;
        }
        if via == Via::Hook {
            plan.note("ctr and nerdctl do not read base specifications; `imgcompat enable nerdctl` reaches those");
        }
        Ok(plan)
    }

    fn effects(&self, node: &Node) -> Vec<Effect> {
        let generated = GENERATED.iter().filter(|path| node.at(path).exists());
        let mut effects: Vec<Effect> = generated.flat_map(|path| effects_of(node, path)).collect();
        if effects.is_empty() || node.at(CONFIG).exists() {
            effects.extend(effects_of(node, CONFIG));
        }
        effects
    }

    fn service(&self) -> Option<&'static str> {
        Some("containerd")
    }

    fn others_files(&self, node: &Node) -> Vec<String> {
        let templates = TEMPLATES.iter().map(|(template, _)| (*template).to_owned());
        let rancher = templates.chain(GENERATED.iter().map(|path| (*path).to_owned()));
        let ours = [CONFIG.to_owned()].into_iter().chain(rancher);
        ours.chain(imported(node, CONFIG).into_iter().map(|file| file.path)).collect()
    }
}

/// k3s and RKE2 make their configuration from a template; it is theirs to change. True if either is here.
fn rancher(node: &Node, via: Via, plan: &mut Plan) -> Result<bool, String> {
    let mut here = false;
    for ((template, version), generated) in
        TEMPLATES.iter().zip(GENERATED.iter().flat_map(|g| [g, g]))
    {
        let made = node.current(generated)?;
        let made_version = made
            .as_ref()
            .and_then(|text| text.parse::<DocumentMut>().ok()?.get("version")?.as_integer());
        here |= made.is_some();
        if !node.at(template).exists() && made_version != Some(*version) {
            continue;
        }
        here = true;
        let product = if template.contains("rke2") { "rke2" } else { "k3s" };
        plan.by_hand.push(ByHand {
            file: (*template).to_owned(),
            reason: format!("it is the template from which {product} makes its configuration, and {product}'s to change"),
            lines: lines_for_template(node, via, *version),
        });
        plan.by_hand.push(ByHand {
            file: format!("/etc/rancher/{product}/config.yaml"),
            reason: format!("it says which handler is {product}'s default"),
            lines: "default-runtime: imgcompat\n".to_owned(),
        });
    }
    if here && via == Via::Hook {
        plan.file(BASE, our_base(node)?, 0o644);
    }
    Ok(here)
}

/// The handlers of one configuration and of the files that it imports.
fn effects_of(node: &Node, path: &str) -> Vec<Effect> {
    let nothing = |detail: String| vec![Effect { handler: "runc".to_owned(), via: None, detail }];
    let text = match node.current(path) {
        Ok(text) => text.filter(|text| !text.trim().is_empty()),
        Err(problem) => return nothing(problem),
    };
    let Some(text) = text else { return nothing(format!("there is no {path}")) };
    if is_without_cri(&text) {
        return Vec::new();
    }
    let mut handlers = match parse(&text) {
        Ok((document, plugin)) => handlers(&document, plugin),
        Err(problem) => return nothing(format!("{path}: {problem}")),
    };
    for imported in imported(node, path) {
        handlers.extend(imported.handlers(node));
    }
    let effects: Vec<Effect> = together(handlers)
        .into_iter()
        .map(|(name, handler)| effect(node, &name, &handler))
        .collect();
    if effects.is_empty() { nothing(format!("{path} names no handlers")) } else { effects }
}

/// Where containerd listens: that of its configuration, else k3s's if only that is there, else the usual place.
pub fn socket(node: &Node) -> String {
    let usual = "/run/containerd/containerd.sock";
    let configured = node.current(CONFIG).ok().flatten().and_then(|text| {
        let document: DocumentMut = text.parse().ok()?;
        let address = document.get("grpc")?.get("address")?.as_str()?;
        (!address.is_empty()).then(|| address.to_owned())
    });
    let rancher = "/run/k3s/containerd/containerd.sock";
    let only_rancher = !node.at(usual).exists() && node.at(rancher).exists();
    configured.unwrap_or_else(|| if only_rancher { rancher } else { usual }.to_owned())
}

fn effect(node: &Node, name: &str, handler: &Handler) -> Effect {
    let of = |via, detail: String| Effect { handler: name.to_owned(), via, detail };
    let kind = handler.kind.as_deref().unwrap_or_default();
    if !kind.is_empty() && kind != SHIM {
        return of(None, format!("runtime_type {kind} runs no OCI runtime on the node"));
    }
    let binary = handler.binary.clone().unwrap_or_default();
    if node.is_ours(&binary) {
        return of(Some(Via::Wrapper), binary);
    }
    let spec = handler.spec.as_deref().unwrap_or_default();
    if !spec.is_empty() && has_hook(node, spec) {
        return of(Some(Via::Hook), node.hook());
    }
    of(None, "it has neither our base specification nor our runtime".to_owned())
}
