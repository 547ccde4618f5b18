//! The decision as one entry of systemd's journal, with fields that can be asked for:
//! `journalctl IMGCOMPAT_VERDICT=incompatible IMAGE_NAME=registry.example/ml:2`.
//!
//! Format: systemd's native journal protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL): one datagram, a field a line, or in
//! the form with a length where the value has a line break. Names of fields that podman gives its own entries are
//! spelled the same. The socket never blocks, as in [`super::system_log`]; entries are small enough for one datagram,
//! so the protocol's way for large ones is not needed. Foreign text is cleaned before it gets here and again here.

use std::io;
use std::path::Path;

use super::record::Record;
use super::system_log;
use crate::sanitize;

/// journald's socket; systems without systemd have none.
pub const SOCKET: &str = "/run/systemd/journal/socket";

/// Longest value of a field.
const VALUE_BYTES: usize = 1024;

/// What journald tells apart kinds of entries by (`journalctl MESSAGE_ID=…`), for each verdict. They never change.
pub const MESSAGE_IDS: [(&str, &str); 4] = [
    ("compatible", "3047eb39d7514e5f9e49f853103a5294"),
    ("incompatible", "31a92618d17a46608e37125c6f37c998"),
    ("no-artifact", "0a6ea146c5f043d9b6c494b928f9bd5b"),
    ("undecided", "2a529eecf16e40b686147a5f020b11a0"),
];

/// Sends the record to the journal behind `socket`.
pub fn send(record: &Record, socket: &Path) -> io::Result<()> {
    system_log::send_datagram(socket, || entry(record))
}

fn entry(record: &Record) -> Vec<u8> {
    let mut entry = Vec::with_capacity(1024);
    let priority = system_log::priority(record).to_string();
    let id = MESSAGE_IDS.iter().find(|(verdict, _)| *verdict == record.verdict);
    let image_id = record.image_id.as_ref().map(|id| id.hex());
    let fields = [
        ("MESSAGE", Some(system_log::text(record))),
        ("MESSAGE_ID", id.map(|(_, id)| (*id).to_owned())),
        ("PRIORITY", Some(priority)),
        ("SYSLOG_IDENTIFIER", Some("imgcompat".to_owned())),
        ("SYSLOG_FACILITY", Some(system_log::FACILITY.to_string())),
        ("CONTAINER_ID_FULL", Some(record.container.clone())),
        ("CONTAINER_NAME", record.name.clone()),
        ("IMAGE_NAME", record.image.clone()),
        ("IMAGE_ID", image_id.map(str::to_owned)),
        ("IMGCOMPAT_VERDICT", Some(record.verdict.clone())),
        ("IMGCOMPAT_CAUSE", record.cause.map(|cause| cause.to_string())),
        ("IMGCOMPAT_DECISION", Some(record.decision.as_str().to_owned())),
        ("IMGCOMPAT_UNDER_ENFORCE", Some(record.under_enforce.as_str().to_owned())),
        ("IMGCOMPAT_MODE", Some(record.mode.as_str().to_owned())),
        ("IMGCOMPAT_ENGINE", record.engine.clone()),
        ("IMGCOMPAT_OVERRIDDEN", record.overridden.clone()),
        ("IMGCOMPAT_POD", record.pod.clone()),
        ("IMGCOMPAT_NAMESPACE", record.namespace.clone()),
    ];
    for (name, value) in fields {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            add(&mut entry, name, &sanitize::bounded_line(&value, VALUE_BYTES));
        }
    }
    entry
}

/// A value with a line break has its length before it: nothing in it can begin a field of its own.
fn add(entry: &mut Vec<u8>, name: &str, value: &str) {
    entry.extend_from_slice(name.as_bytes());
    if value.contains('\n') {
        entry.push(b'\n');
        entry.extend_from_slice(&(value.len() as u64).to_le_bytes());
    } else {
        entry.push(b'=');
    }
    entry.extend_from_slice(value.as_bytes());
    entry.push(b'\n');
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::os::unix::net::UnixDatagram;

    use super::*;
    use crate::verdict::{Cause, Verdict};

    fn record() -> Record {
        let hex = "ab".repeat(32);
        let text = format!(
            r#"{{"time":"2026-11-24T12:00:00.000Z","container":"3f2a6265a16cc408","engine":"podman","image":"r.example/ml:2\nPRIORITY=7","image_id":"sha256:{hex}","mode":"audit","verdict":"undecided","cause":"internal","decision":"allow","under_enforce":"deny","reason":"x\nMESSAGE_ID=1\u001b[2J","duration_us":1,"version":"0.1.0"}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    /// Reads an entry as journald does.
    fn fields(mut entry: &[u8]) -> BTreeMap<String, String> {
        let mut fields = BTreeMap::new();
        while !entry.is_empty() {
            let end = entry.iter().position(|byte| *byte == b'\n').unwrap();
            let line = std::str::from_utf8(&entry[..end]).unwrap().to_owned();
            entry = &entry[end + 1..];
            let (name, value) = match line.split_once('=') {
                Some((name, value)) => (name.to_owned(), value.to_owned()),
                None => {
                    let length = u64::from_le_bytes(entry[..8].try_into().unwrap()) as usize;
                    let value = std::str::from_utf8(&entry[8..8 + length]).unwrap().to_owned();
                    assert_eq!(entry[8 + length], b'\n');
                    entry = &entry[9 + length..];
                    (line, value)
                }
            };
            assert!(name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_'), "{name}");
            assert!(fields.insert(name.clone(), value).is_none(), "{name} twice");
        }
        fields
    }

    #[test]
    fn journald_gets_one_datagram_with_the_fields_of_the_documentation() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("socket");
        let journald = UnixDatagram::bind(&path).unwrap();
        send(&record(), &path).unwrap();
        let mut bytes = vec![0; 65536];
        let length = journald.recv(&mut bytes).unwrap();
        let fields = fields(&bytes[..length]);
        let image_id = "ab".repeat(32);
        for (name, value) in [
            ("MESSAGE_ID", "2a529eecf16e40b686147a5f020b11a0"),
            ("PRIORITY", "4"),
            ("SYSLOG_IDENTIFIER", "imgcompat"),
            ("CONTAINER_ID_FULL", "3f2a6265a16cc408"),
            ("IMAGE_NAME", "r.example/ml:2 PRIORITY=7"),
            ("IMAGE_ID", image_id.as_str()),
            ("IMGCOMPAT_VERDICT", "undecided"),
            ("IMGCOMPAT_CAUSE", "internal"),
            ("IMGCOMPAT_DECISION", "allow"),
            ("IMGCOMPAT_UNDER_ENFORCE", "deny"),
        ] {
            assert_eq!(fields.get(name).map(String::as_str), Some(value), "{name}");
        }
        assert!(fields["MESSAGE"].starts_with("audit: would be refused: container=3f2a6265a16c"));
        assert!(!fields["MESSAGE"].contains('\u{1b}'));
        assert!(!fields.contains_key("IMGCOMPAT_OVERRIDDEN"), "what is not there has no field");
    }

    #[test]
    fn a_value_with_a_line_break_cannot_begin_a_field() {
        let mut entry = Vec::new();
        add(&mut entry, "MESSAGE", "a\nPRIORITY=0");
        add(&mut entry, "PRIORITY", "6");
        let fields = fields(&entry);
        assert_eq!(fields["MESSAGE"], "a\nPRIORITY=0");
        assert_eq!(fields["PRIORITY"], "6");
    }

    #[test]
    fn every_verdict_has_an_id_of_its_own() {
        let verdicts = [
            Verdict::Compatible,
            Verdict::Incompatible,
            Verdict::NoArtifact,
            Verdict::Undecided(Cause::Internal),
        ];
        let ids: std::collections::BTreeSet<&str> = verdicts
            .iter()
            .map(|verdict| {
                MESSAGE_IDS.iter().find(|(word, _)| *word == verdict.as_str()).unwrap().1
            })
            .collect();
        assert_eq!(ids.len(), 4);
        let catalog = include_str!("../../packaging/systemd/imgcompat.catalog");
        assert!(ids.iter().all(|id| catalog.contains(&format!("-- {id}\n"))));
        assert!(ids.iter().all(|id| id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit())));
    }

    #[test]
    fn a_journald_that_reads_nothing_costs_no_time() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("socket");
        let _journald = UnixDatagram::bind(&path).unwrap();
        let sent = (0..100_000).take_while(|_| send(&record(), &path).is_ok()).count();
        assert!(sent < 100_000, "the queue was never full");
        assert!(send(&record(), &dir.path().join("none")).is_err());
    }
}
