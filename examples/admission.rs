//! What an admission webhook or a scheduler does before a pod is placed: fetches what is attached to the image, decodes it,
//! evaluates it against the written-down features of each node, and says for each why it fits or not. No node is visited and
//! no image is pulled.
//!
//! ```sh
//! imgcompat export features > node-a.json          # on each node, or from NFD
//! cargo run --example admission -- registry.example/ml:2 node-a.json node-b.json
//! ```
//!
//! Exit code: 0 if some node fits, 1 if none does, 3 if nothing is attached, 4 if that could not be found out.

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use imgcompat::deadline::Deadline;
use imgcompat::host::FeatureSet;
use imgcompat::oci::Reference;
use imgcompat::registry::access::{Access, Options};
use imgcompat::registry::fetch::fetch_until;
use imgcompat::registry::resolve::{Wanted, resolve};
use imgcompat::rules::{self, SetVerdict};
use imgcompat::spec::{self, Specification};
use imgcompat::worker::protocol::FetchOutcome;

/// A webhook has some seconds before the API server goes on without it.
const TIME: Duration = Duration::from_secs(8);

/// What came of asking.
#[derive(Debug, PartialEq)]
pub enum Answer {
    /// Nothing is attached to the image, for certain.
    AsksForNothing,
    /// What each node is to the image, and one sentence why.
    Nodes(Vec<(SetVerdict, String)>),
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let answer = match arguments.split_first() {
        Some((image, nodes)) if !nodes.is_empty() => admit(image, nodes),
        _ => Err("usage: admission IMAGE FEATURES...".into()),
    };
    match answer {
        Ok(Answer::AsksForNothing) => {
            println!("the image asks for nothing");
            ExitCode::from(3)
        }
        Ok(Answer::Nodes(nodes)) => {
            for (node, (_, why)) in arguments.iter().skip(1).zip(&nodes) {
                println!("{node}: {why}");
            }
            let fits = nodes.iter().any(|(verdict, _)| *verdict == SetVerdict::Compatible);
            ExitCode::from(if fits { 0 } else { 1 })
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(4)
        }
    }
}

/// Asks what is attached to the image, and judges every node by it.
pub fn admit(image: &str, nodes: &[String]) -> Result<Answer, Box<dyn Error>> {
    let reference: Reference = image.parse()?;
    let deadline = Deadline::after(TIME);
    let access = Access::for_repository(&reference.repository, &Options::default())?;
    let resolved = resolve(&reference, &Wanted::host(), &access, deadline)?;
    let specification = match fetch_until(&resolved.subjects(), &access, deadline) {
        // The checked form is there too; the bytes are decoded here to show how, and to have the warnings with places.
        FetchOutcome::Found(found) => spec::decode(&found.specification)?.specification,
        FetchOutcome::None => return Ok(Answer::AsksForNothing),
        FetchOutcome::Invalid { problem, .. } => return Err(problem.into()),
        FetchOutcome::Unavailable(unavailable) => return Err(unavailable.into()),
    };
    let mut judged = Vec::new();
    for node in nodes {
        let features: FeatureSet = serde_json::from_slice(&std::fs::read(node)?)?;
        judged.push(judge(&specification, &features));
    }
    Ok(Answer::Nodes(judged))
}

/// The verdict, and one sentence for the person who asks why.
fn judge(specification: &Specification, features: &FeatureSet) -> (SetVerdict, String) {
    let evaluation = rules::evaluate(specification, features, &rules::Options::default());
    let why = match evaluation.deciding() {
        None => "it fits".to_owned(),
        Some(deciding) => match deciding.row {
            Some(row) => format!("needs {}; {}", row.needed(), row.found()),
            None => format!("rule {} does not hold", deciding.rule.name),
        },
    };
    (evaluation.verdict, why)
}
