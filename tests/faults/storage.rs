//! Row 21: the engine's records while they change, and what was remembered of them.

use std::fs;

use imgcompat::verdict::Cause;

use crate::attached::{FAILS, FITS, attached, specification};
use crate::node::Node;
use crate::{follows_policy, plainly};

fn images(node: &Node) -> std::path::PathBuf {
    node.storage().join("overlay-images/images.json")
}

fn replace(path: &std::path::Path, text: &str) {
    let new = path.with_extension("new");
    fs::write(&new, text).unwrap();
    fs::rename(new, path).unwrap();
}

#[test]
fn row_21_records_that_are_torn_or_gone_leave_the_image_unidentified() {
    let containers = |node: &Node| node.storage().join("overlay-containers/containers.json");
    type Fault = (&'static str, Box<dyn Fn(&Node)>);
    let half = |path: std::path::PathBuf| {
        let text = fs::read_to_string(&path).unwrap();
        fs::write(path, &text[..text.len() / 2]).unwrap();
    };
    let table: [Fault; 5] = [
        ("no containers.json", Box::new(move |node| fs::remove_file(containers(node)).unwrap())),
        ("half a containers.json", Box::new(move |node| half(containers(node)))),
        ("half an images.json", Box::new(move |node| half(images(node)))),
        ("no record of the image", Box::new(|node| replace(&images(node), "[]"))),
        (
            "a FIFO for images.json",
            Box::new(|node| {
                fs::remove_file(images(node)).unwrap();
                nix::unistd::mkfifo(&images(node), nix::sys::stat::Mode::S_IRWXU).unwrap();
            }),
        ),
    ];
    for (fault, make) in table {
        follows_policy(fault, Cause::ImageUnidentified, "", || {
            let node = Node::with_image("registry.example/ml:2");
            make(&node);
            (node, plainly())
        });
    }
}

#[test]
fn row_21_a_record_that_appears_within_the_retry_is_found() {
    let (node, _registry, _server) = attached(&specification(FAILS));
    let text = fs::read_to_string(images(&node)).unwrap();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(std::sync::atomic::Ordering::SeqCst) {
                replace(&images(&node), &format!("[{{\"id\":\"other\"}},{}", &text[1..]));
                replace(&images(&node), &text);
            }
        });
        for start in 0..40 {
            assert_eq!(node.start().code, 1, "start {start}: {:?}", node.record().reason);
        }
        done.store(true, std::sync::atomic::Ordering::SeqCst);
    });
}

/// An image's names and manifests are remembered between starts, and not beyond any change of the records.
#[test]
fn what_was_remembered_of_an_image_ends_with_any_change_of_the_records() {
    let (node, registry, server) = attached(&specification(FAILS));
    // Only what has not changed for a moment is remembered.
    std::thread::sleep(std::time::Duration::from_millis(150));
    assert_eq!((node.start().code, node.start().code), (1, 1));
    let kept = node.root().join("var/cache/imgcompat/images");
    assert_eq!(fs::read_dir(&kept).unwrap().count(), 1);
    let text = fs::read_to_string(images(&node)).unwrap();
    let name = format!("{}/ml:2", server.authority);
    let other = format!("{}/other:1", server.authority);
    // The record confirms the typed name no more, so the repositories are those of its names.
    replace(&images(&node), &text.replace(&name, &other));
    let fits = specification(FITS);
    registry.attach(&node.index, &crate::attached::manifest(&node.index, &fits), &fits);
    node.start();
    assert_eq!(node.record().image.as_deref(), Some(other.as_str()));
    replace(&images(&node), "[]");
    node.start();
    assert_eq!(node.record().cause, Some(Cause::ImageUnidentified));
}
