//! A pod that is refused and started again every ten seconds, as the kubelet does for ever: an hour of it, with the clock
//! moved by putting what was written down ten seconds back.

use std::fs;

use imgcompat::kept::Folder;
use serde_json::Value;

use crate::attached::{FAILS, attached, specification};
use crate::node::Node;

/// Makes what is kept ten seconds older.
fn ten_seconds_pass(node: &Node) {
    for (name, numbers) in [
        ("refusals", &["/written_at"][..]),
        ("artifacts", &["/answer/at/since_boot", "/answer/at/wall"][..]),
    ] {
        let folder = Folder::open(&node.root().join("var/cache/imgcompat"), name).unwrap();
        for entry in fs::read_dir(folder.path()).unwrap() {
            let file = entry.unwrap().file_name().into_string().unwrap();
            let Some(bytes) = folder.load(&file, 1 << 24) else { continue };
            let mut content: Value = serde_json::from_slice(&bytes).unwrap();
            for number in numbers {
                let number = content.pointer_mut(number).unwrap();
                *number = number.as_u64().unwrap().saturating_sub(10).into();
            }
            folder.store(&file, content.to_string().as_bytes()).unwrap();
        }
    }
}

#[test]
fn an_hour_of_retries_asks_the_registry_once_a_lifetime_and_writes_a_record_a_minute() {
    let (node, _registry, server) = attached(&specification(FAILS));
    let mut said = 0;
    for _ in 0..360 {
        let ended = node.start();
        assert_eq!(ended.code, 1, "{}", ended.stderr);
        said += usize::from(ended.stderr.contains("refused"));
        ten_seconds_pass(&node);
    }
    let lists = server.asked().iter().filter(|asked| asked.target.contains("/referrers/")).count();
    let records = node.records();
    let bytes = fs::metadata(node.root().join("var/log/imgcompat/decisions.jsonl")).unwrap().len();
    println!(
        "360 starts in an hour: said {said} times, {lists} lists of referrers, {} records, {bytes} bytes",
        records.len()
    );
    assert_eq!(said, 360, "each start is told why");
    // An answer lives for an hour, give or take a tenth.
    assert!((1..=2).contains(&lists), "{lists}");
    assert!((59..=61).contains(&records.len()), "{}", records.len());
    let left_out: u64 = records.iter().map(|record| record.repeated).sum();
    assert!(records.len() as u64 + left_out >= 354, "{left_out}");
}
