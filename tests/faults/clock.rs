//! Rows 24 and 25: reboots and clocks that jump, by changing what was written down about time.

use std::path::PathBuf;

use imgcompat::artifact::cache::{Cache, Entry, Key};
use imgcompat::oci::Repository;

use crate::attached::{FAILS, attached, specification};
use crate::node::Node;
use crate::{MODES, is_root, with_mounts};

fn cache_of(node: &Node, authority: &str) -> (Cache, Key) {
    let root: PathBuf = node.root().join("var/cache/imgcompat");
    let repository = Repository { registry: authority.to_owned(), path: "ml".to_owned() };
    let subjects = vec![node.manifest.clone(), node.index.clone()];
    (Cache::open(&root).unwrap(), Key { repository, subjects })
}

#[test]
fn row_25_an_answer_from_the_future_or_another_boot_does_not_live_longer() {
    const TEN_YEARS: u64 = 10 * 365 * 24 * 3600;
    type Jump = (&'static str, fn(&mut Entry), bool);
    let table: [Jump; 5] = [
        (
            "the wall clock went back ten years",
            |e| e.answer.as_mut().unwrap().at.wall += TEN_YEARS,
            false,
        ),
        (
            "the wall clock went on ten years",
            |e| e.answer.as_mut().unwrap().at.wall -= TEN_YEARS,
            false,
        ),
        (
            "since-boot in the future",
            |e| e.answer.as_mut().unwrap().at.since_boot += TEN_YEARS,
            true,
        ),
        (
            "another boot, in the future",
            |e| {
                let at = &mut e.answer.as_mut().unwrap().at;
                at.boot_id = "other".to_owned();
                at.wall += TEN_YEARS;
            },
            true,
        ),
        (
            "another boot, long ago",
            |e| {
                let at = &mut e.answer.as_mut().unwrap().at;
                at.boot_id = "other".to_owned();
                at.wall -= TEN_YEARS;
            },
            true,
        ),
    ];
    for (fault, jump, asks_again) in table {
        for (mode, code) in MODES {
            let (node, _registry, server) = attached(&specification(FAILS));
            node.write("etc/imgcompat/config.toml", &format!("mode = '{mode}'\n"));
            assert_eq!(node.start().code, code);
            let (cache, key) = cache_of(&node, &server.authority);
            let mut entry = cache.load(&key).expect("the answer was kept");
            jump(&mut entry);
            cache.store(&entry).unwrap();
            let asked = server.asked().len();
            assert_eq!(node.start().code, code, "{fault}, {mode}");
            println!("{fault}, {mode}: asked again: {}", server.asked().len() > asked);
            assert_eq!(server.asked().len() > asked, asks_again, "{fault}, {mode}");
        }
    }
}

/// What CPUID said is kept for one boot: a kept lie counts in this one, and not after the next.
#[test]
#[cfg(target_arch = "x86_64")]
fn row_24_what_the_processor_said_is_asked_again_after_a_boot() {
    if !is_root() {
        return;
    }
    let text = "version: v1alpha1\ncompatibilities:\n- rules:\n  - name: r\n    matchFeatures:\n    - feature: cpu.model\n      matchExpressions: {vendor_id: {op: In, value: [Kept]}}\n";
    let (node, _registry, _server) = attached(text);
    assert_eq!(node.start().code, 1);
    let root = node.root().join("var/cache/imgcompat");
    let folder = imgcompat::kept::Folder::open(&root, "host").unwrap();
    let kept = String::from_utf8(folder.load("cpuid", 1 << 16).expect("it was kept")).unwrap();
    let boot = kept.lines().next().unwrap();
    let other = format!("{boot}\n{}", kept.split_once('\n').unwrap().1);
    assert_eq!(other, kept);
    let new_boot = node.root().join("boot_id");
    std::fs::write(&new_boot, "11111111-2222-3333-4444-555555555555\n").unwrap();
    let setup = format!("mount --bind {} /proc/sys/kernel/random/boot_id", new_boot.display());
    assert_eq!(with_mounts(&node, &setup).code, 1);
    let kept = String::from_utf8(folder.load("cpuid", 1 << 16).unwrap()).unwrap();
    assert!(kept.starts_with("boot 11111111-"), "{kept}");
    println!("another boot id: the processor was asked again");
}
