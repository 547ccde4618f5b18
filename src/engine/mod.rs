//! Room `engine`: putting the hook, or the wrapper runtime, into an engine's configuration, and taking it out again.
//!
//! | file | what |
//! |---|---|
//! | `node.rs` | the node's files below a prefix, and where our programs are |
//! | `plan.rs` | what would change: files, links, and what a person must do |
//! | `ledger.rs` | what was changed, so that `disable` restores it byte for byte |
//! | `hooks_dir.rs` | the hook directories of podman and CRI-O |
//! | `podman.rs`, `crio.rs`, `containerd.rs`, `docker.rs`, `nerdctl.rs` | one engine each |
//! | `json_text.rs` | editing a JSON object without touching what is not ours |
//!
//! An adapter reads an engine's configuration as it is without us and says what it would be with us. It writes
//! nothing. What an adapter does not understand it leaves alone, and says which lines a person has to add. Nothing
//! is restarted here. Called by `cli/enable.rs`, `cli/disable.rs` and by `doctor`.

pub mod containerd;
pub mod crio;
mod docker;
mod hooks_dir;
mod json_text;
pub mod ledger;
mod nerdctl;
mod node;
pub mod plan;
pub mod podman;

pub use hooks_dir::HookDirectory;
pub use node::Node;
pub use plan::{ByHand, Plan};

/// How an engine comes to call us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// As an OCI hook.
    Hook,
    /// As its OCI runtime.
    Wrapper,
}

/// Whether one way of starting containers is judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effect {
    /// The runtime handler, as the engine calls it.
    pub handler: String,
    /// How it calls us; none if it does not.
    pub via: Option<Via>,
    /// The program that it would call, or why it calls none.
    pub detail: String,
}

/// One engine's configuration.
pub trait Adapter: Sync {
    /// The engine's name on the command line.
    fn name(&self) -> &'static str;
    /// The program by which one sees that the engine is installed.
    fn program(&self) -> &'static str;
    /// How the engine is enabled if nobody says how.
    fn usual(&self) -> Via;
    /// What the configuration would be with us, from what it is without us.
    fn plan(&self, node: &Node, via: Via) -> Result<Plan, String>;
    /// Files that are ours alone; removed by `disable` even if it was not `enable` that made them.
    fn own_files(&self, _: &Node) -> Vec<String> {
        Vec::new()
    }
    /// Files of others that may name ours, by lines that a person added.
    fn others_files(&self, _: &Node) -> Vec<String> {
        Vec::new()
    }
    /// What of the configuration is in effect, handler by handler.
    fn effects(&self, node: &Node) -> Vec<Effect>;
    /// The service that reads the configuration when it starts; none if it is read at every start of a container.
    fn service(&self) -> Option<&'static str>;
    /// True if that service reads this file of ours only when it starts.
    fn read_at_start(&self, path: &str) -> bool {
        self.service().is_some() && !path.starts_with(ledger::SCRIPTS)
    }
}

/// All engines, in the order they are listed.
pub const ENGINES: [&dyn Adapter; 5] =
    [&podman::Podman, &crio::Crio, &containerd::Containerd, &docker::Docker, &nerdctl::Nerdctl];

/// The engine of that name.
pub fn find(name: &str) -> Option<&'static dyn Adapter> {
    ENGINES.iter().copied().find(|engine| engine.name() == name)
}
