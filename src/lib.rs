//! imgcompat holds a node to what a container image says it needs of it.
//!
//! An image's *compatibility specification* (Node Feature Discovery's format, attached to the image as an OCI
//! artifact) is evaluated on this host at every container start; what cannot run here is refused, or only recorded.
//!
//! ```text
//!  container start ─▶ image identity ─▶ artifact ─▶ specification ─▶ rules × host ─▶ verdict ─▶ policy ─▶ decision ─▶ audit
//!      start            image           artifact        spec        rules   host     verdict   policy      gate      audit
//! ```
//!
//! Data goes one way; each room knows the types of the rooms before it, and only [`gate`] sees them all. Read this page,
//! then `gate.rs`, and you have understood the program. In the order of the data:
//!
//! | room | what goes in | what comes out |
//! |---|---|---|
//! | [`start`] | a runtime's words: OCI state on standard input | a [`start::ContainerStart`] |
//! | [`image`] | a start | an [`image::ImageIdentity`], by the engine's own records |
//! | [`artifact`] | an identity | an [`artifact::Artifact`]: local files, the layout, the cache, then the registry |
//! | [`registry`] | a repository and digests | an attached specification's bytes, verified (tool and worker only) |
//! | [`worker`] | a question of the hook's | an answer, from an unprivileged child process |
//! | [`tasks`] | the same question, in that process | the same answer (tool only) |
//! | [`spec`] | bytes | a checked [`spec::Specification`], or diagnostics with line and column |
//! | [`host`] | the name of a feature | what this machine has of it |
//! | [`rules`] | a specification and features | an [`rules::Evaluation`] in three-valued logic |
//! | [`verdict`] | | the closed list of answers, and of causes for having none |
//! | [`policy`] | a verdict | a [`policy::Decision`] |
//! | [`audit`] | a decision | a record in the logs, and one sentence for a person |
//! | [`engine`] | an engine's configuration | the same with imgcompat in it, or as it was (tool only) |
//! | [`doctor`] | a node | what is right, odd or wrong with it, and what mends it (tool only) |
//! | [`cli`] | a command line | printing, and an exit code |
//!
//! Beside the rooms stand the words they share: [`oci`] (digests, references, manifests), [`limits`] (every bound on
//! what strangers can make this program do), [`sanitize`] (where foreign text becomes printable), [`deadline`],
//! [`clock`], [`files`], [`kept`], [`paths`]; and the two programs that runtimes and engines execute: [`hook`], with
//! [`surroundings`], what it puts away first, and [`runtime`], the wrapper.
//!
//! # As a library
//!
//! An admission webhook, a scheduler or a scanner can use the rooms between artifact and verdict by itself; what of
//! them is meant for others, and how stable it is, stands in `docs/library.md`. A specification, judged by the features
//! of a node that `imgcompat export features` or NFD wrote down:
//!
//! ```
//! use imgcompat::host::FeatureSet;
//! use imgcompat::rules::{self, Options, SetVerdict};
//! use imgcompat::spec;
//!
//! let decoded = spec::decode(
//!     br#"
//! version: v1alpha1
//! compatibilities:
//! - description: AVX-512 build
//!   rules:
//!   - name: cpu
//!     matchFeatures:
//!     - feature: cpu.cpuid
//!       matchExpressions:
//!         AVX512F: {op: Exists}
//!   - name: kernel
//!     matchFeatures:
//!     - feature: kernel.version
//!       matchExpressions:
//!         major: {op: Gt, value: ["5"]}
//! "#,
//! )?;
//! let features: FeatureSet = serde_json::from_str(
//!     r#"{
//!         "flags": {"cpu.cpuid": {"elements": {"AVX512F": {}}}},
//!         "attributes": {"kernel.version": {"elements": {"major": "5"}}}
//!     }"#,
//! )?;
//!
//! let evaluation = rules::evaluate(&decoded.specification, &features, &Options::default());
//! assert_eq!(evaluation.verdict, SetVerdict::Incompatible);
//!
//! let deciding = evaluation.deciding().ok_or("nothing decided")?;
//! let row = deciding.row.ok_or("the rule itself is at fault")?;
//! assert_eq!(deciding.rule.name, "kernel");
//! assert_eq!(row.needed(), "kernel.version major (Gt 5)");
//! assert_eq!(row.found(), "this host has 5");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! And what is attached to an image, asked of its registry with this machine's configuration and credentials, every
//! digest checked:
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use imgcompat::deadline::Deadline;
//! use imgcompat::oci::Reference;
//! use imgcompat::registry::access::{Access, Options};
//! use imgcompat::registry::fetch::fetch_until;
//! use imgcompat::registry::resolve::{Wanted, resolve};
//! use imgcompat::worker::protocol::FetchOutcome;
//!
//! let reference: Reference = "registry.example/ml:2".parse()?;
//! let deadline = Deadline::after(Duration::from_secs(10));
//! let access = Access::for_repository(&reference.repository, &Options::default())?;
//! let image = resolve(&reference, &Wanted::host(), &access, deadline)?;
//! match fetch_until(&image.subjects(), &access, deadline) {
//!     FetchOutcome::Found(found) => println!("{}", String::from_utf8_lossy(&found.specification)),
//!     FetchOutcome::None => println!("{reference} has no specification"),
//!     FetchOutcome::Invalid { problem, .. } => println!("what is attached is none: {problem}"),
//!     FetchOutcome::Unavailable(unavailable) => println!("no answer: {unavailable}"),
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod artifact;
pub mod audit;
pub mod cli;
pub mod clock;
pub mod deadline;
pub mod doctor;
pub mod engine;
pub mod files;
pub mod gate;
pub mod hook;
pub mod host;
pub mod image;
pub mod kept;
pub mod limits;
pub mod oci;
pub mod paths;
pub mod policy;
pub mod registry;
pub mod rules;
pub mod runtime;
pub mod sanitize;
pub mod spec;
pub mod start;
pub mod surroundings;
pub mod tasks;
pub mod verdict;
pub mod worker;

pub use verdict::{Cause, Verdict};
