//! Room `registry`: the distribution protocol. Linked by the tool and its worker, never by the hook.
//!
//! | file | what |
//! |---|---|
//! | `access.rs` | what the node's configuration says about reaching one repository |
//! | `place.rs` | where to look, before certificates and credentials are known |
//! | `registries_conf.rs`, `hosts_toml.rs`, `docker_daemon.rs` | mirrors, rewrites and blocks, in the words of the engines |
//! | `certificates.rs` | certificates on the node |
//! | `auth.rs`, `auth_file.rs`, `crio_conf.rs` | credentials on the node: in which order, and in which files |
//! | `credential_helper.rs`, `credential_provider.rs`, `credential_program.rs` | Docker's helpers and the kubelet's plugins |
//! | `node_files.rs` | where all those files are |
//! | `fetch.rs` | the errand of the worker: find, verify and decode the attached specification |
//! | `documents.rs` | another: an image's index and manifest, where the node keeps none |
//! | `client.rs` | one repository on one server: challenges, redirects, where credentials may go |
//! | `resolve.rs` | the tool's errand: from a reference to the manifests |
//! | `attach.rs`, `upload.rs` | attaching, listing and removing specifications |
//! | `mirror.rs` | copying what is attached to images into a layout on disk |
//! | `manifests.rs`, `referrers.rs` | reading |
//! | `transport.rs`, `tls.rs`, `url.rs` | one request within one deadline and one size; whom to believe |
//! | `challenge.rs`, `token.rs`, `link.rs` | the headers of the protocol |
//! | `secret.rs` | passwords, which cannot be printed |
//! | `failure.rs` | why there is no usable answer, in one sentence |

pub mod access;
pub mod attach;
pub mod auth;
mod auth_file;
mod certificates;
mod challenge;
pub mod client;
pub mod credential_helper;
mod credential_program;
mod credential_provider;
mod crio_conf;
mod docker_daemon;
pub mod documents;
pub mod failure;
pub mod fetch;
mod hosts_toml;
mod link;
mod manifests;
pub mod mirror;
pub mod node_files;
mod place;
mod referrers;
pub mod registries_conf;
pub mod resolve;
pub mod secret;
pub mod tls;
mod token;
mod transport;
mod upload;
mod url;

pub use manifests::Stored;
pub use referrers::Referrers;
