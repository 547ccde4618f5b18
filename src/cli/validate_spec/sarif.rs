//! Findings as SARIF 2.1.0 (OASIS), the least of it that code hosting sites show at a file's lines.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Finding, Report};
use crate::spec::diagnostic::Severity;

const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";

/// The report as a SARIF log with one run.
pub(super) fn render(report: &Report<'_>) -> Result<String, serde_json::Error> {
    let codes: BTreeSet<&str> = report.findings.iter().map(|finding| finding.code).collect();
    let rules: Vec<Value> = codes.iter().map(|code| json!({ "id": code })).collect();
    let results: Vec<Value> =
        report.findings.iter().map(|finding| result(report.file, finding)).collect();
    let log = json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "imgcompat validate-spec",
                "version": env!("CARGO_PKG_VERSION"),
                "informationUri": env!("CARGO_PKG_REPOSITORY"),
                "rules": rules,
            }},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    });
    Ok(serde_json::to_string_pretty(&log)? + "\n")
}

fn result(file: &str, finding: &Finding<'_>) -> Value {
    let level = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let text = match finding.help {
        Some(help) => format!("{}; {help}", finding.message),
        None => finding.message.to_owned(),
    };
    json!({
        "ruleId": finding.code,
        "level": level,
        "message": { "text": text },
        "locations": [{ "physicalLocation": {
            "artifactLocation": { "uri": uri(file) },
            "region": { "startLine": finding.line, "startColumn": finding.column },
        }}],
    })
}

/// A path as a URI reference: what cannot stand in one is written in percent signs.
fn uri(file: &str) -> String {
    let mut uri = String::new();
    for byte in file.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' | b'~' => {
                uri.push(char::from(byte));
            }
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri
}
