//! `cpu.cpuid` and `cpu.model` of 421 recorded x86 processors against the library that NFD uses.
//! tests/data/cpuid/README.md says where the records come from.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may"
)]

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use flate2::read::GzDecoder;
use imgcompat::host::{Attributes, Discovery, Features, Host, HostRoot};

struct Recorded {
    name: String,
    record: String,
    conclusions: Attributes,
}

fn recorded() -> Vec<Recorded> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/cpuid/processors.txt.gz");
    let mut text = String::new();
    GzDecoder::new(File::open(path).unwrap()).read_to_string(&mut text).unwrap();
    let sections = text.split("## ").filter(|section| !section.is_empty());
    let parse = |section: &str| {
        let (name, body) = section.split_once('\n').unwrap();
        let (conclusions, record): (Vec<&str>, Vec<&str>) =
            body.lines().partition(|line| line.starts_with("= "));
        let pair = |line: &&str| {
            let (name, value) = line[2..].split_once(' ').unwrap();
            (name.to_owned(), value.to_owned())
        };
        Recorded {
            name: name.to_owned(),
            record: record.join("\n"),
            conclusions: conclusions.iter().map(pair).collect(),
        }
    };
    sections.map(parse).collect()
}

fn host(record: &str) -> (tempfile::TempDir, Host) {
    let directory = tempfile::tempdir().unwrap();
    let facts = directory.path().join(".imgcompat");
    std::fs::create_dir(&facts).unwrap();
    std::fs::write(facts.join("arch"), "x86_64\n").unwrap();
    std::fs::write(facts.join("cpuid"), record).unwrap();
    let host = Host::new(HostRoot::tree(directory.path()).unwrap());
    (directory, host)
}

fn attributes(host: &Host, name: &str) -> Attributes {
    match host.discover(name) {
        Discovery::Present(feature) => feature.attributes.clone().unwrap_or_default(),
        Discovery::Absent(reason) => panic!("{name}: {reason}"),
    }
}

#[test]
fn flags_are_those_of_the_reference_but_for_its_wrong_bit() {
    let mut with_wrong_bit = 0;
    for processor in recorded() {
        let (_tree, host) = host(&processor.record);
        let Discovery::Present(feature) = host.discover("cpu.cpuid") else { panic!() };
        let found: BTreeSet<&str> =
            feature.flags.as_ref().unwrap().iter().map(String::as_str).collect();
        let mut wanted: BTreeSet<&str> =
            processor.conclusions["flags"].split_whitespace().collect();
        // The reference takes PKU for AMXFP8. No processor among these has AMXFP8.
        with_wrong_bit += usize::from(wanted.remove("AMXFP8"));
        assert_eq!(found, wanted, "{}", processor.name);
    }
    assert!(with_wrong_bit > 40, "{with_wrong_bit}");
}

#[test]
fn model_and_numbers_are_those_of_the_reference() {
    let processors = recorded();
    assert_eq!(processors.len(), 421);
    for processor in processors {
        let (_tree, host) = host(&processor.record);
        let model = attributes(&host, "cpu.model");
        for name in ["vendor_id", "family", "id", "hypervisor"] {
            assert_eq!(model[name], processor.conclusions[name], "{} {name}", processor.name);
        }
        let number = |feature: &str, name: &str| {
            attributes(&host, feature).get(name).cloned().unwrap_or("0".to_owned())
        };
        assert_eq!(number("cpu.cpuid", "AVX10_VERSION"), processor.conclusions["avx10"]);
        assert_eq!(number("cpu.security", "sgx.epc"), processor.conclusions["sgx.epc"]);
    }
}
