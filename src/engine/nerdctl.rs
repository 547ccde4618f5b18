//! nerdctl, ctr and whatever else calls `runc` by its name: a link of that name to our wrapper, in a directory that
//! comes first in every service's path.
//!
//! nerdctl's own configuration has no runtime (nerdctl `docs/config.md`), and containerd's shim looks `runc` up in
//! containerd's path (containerd `pkg/process`, go-runc). The wrapper finds the real one further on.

use super::node::Node;
use super::plan::Plan;
use super::{Adapter, Effect, Via};

/// Where the link is; systemd's default path begins with this directory.
const LINK: &str = "/usr/local/sbin/runc";

/// The adapter.
pub struct Nerdctl;

impl Adapter for Nerdctl {
    fn name(&self) -> &'static str {
        "nerdctl"
    }

    fn program(&self) -> &'static str {
        "nerdctl"
    }

    fn usual(&self) -> Via {
        Via::Wrapper
    }

    fn plan(&self, node: &Node, via: Via) -> Result<Plan, String> {
        if via == Via::Hook {
            return Err("nerdctl has no place for hooks of others; use --via wrapper".to_owned());
        }
        let place = node.at(LINK);
        if std::fs::symlink_metadata(&place).is_ok() && !node.is_ours(LINK) {
            return Err(format!("{LINK} is there already and is not ours; it is left alone"));
        }
        node.program("runc").ok_or("runc is not installed where it is looked for")?;
        let mut plan = Plan::default();
        plan.links.push((LINK.to_owned(), node.wrapper()));
        plan.note("this reaches everything that calls runc by its name: nerdctl, ctr, CRI handlers without a BinaryName, BuildKit");
        Ok(plan)
    }

    fn effects(&self, node: &Node) -> Vec<Effect> {
        let handler = "runc by its name".to_owned();
        vec![if node.is_ours(LINK) {
            Effect { handler, via: Some(Via::Wrapper), detail: LINK.to_owned() }
        } else {
            Effect { handler, via: None, detail: format!("{LINK} is not a link to our wrapper") }
        }]
    }

    fn service(&self) -> Option<&'static str> {
        None
    }
}
