//! Judges a node by its written-down features, without being there: what a scheduler or an admission webhook does.
//!
//! ```sh
//! imgcompat export features > node.json
//! cargo run --example evaluate -- examples/cuda.yaml node.json
//! ```

use std::error::Error;
use std::process::ExitCode;

use imgcompat::host::FeatureSet;
use imgcompat::rules::{self, Options, SetVerdict};
use imgcompat::spec;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [specification, features] = arguments.as_slice() else {
        return Err("usage: evaluate SPECIFICATION FEATURES".into());
    };
    let decoded = spec::decode(&std::fs::read(specification)?)?;
    for warning in &decoded.warnings {
        eprintln!("{specification}: {warning}");
    }
    let features: FeatureSet = serde_json::from_slice(&std::fs::read(features)?)?;
    let evaluation = rules::evaluate(&decoded.specification, &features, &Options::default());
    let Some(deciding) = evaluation.deciding() else {
        println!("compatible");
        return Ok(ExitCode::SUCCESS);
    };
    match deciding.row {
        Some(row) => println!("needs {}; {}", row.needed(), row.found()),
        None => println!("rule {} does not hold", deciding.rule.name),
    }
    Ok(ExitCode::from(if evaluation.verdict == SetVerdict::Incompatible { 1 } else { 4 }))
}
