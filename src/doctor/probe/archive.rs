//! Two images in one file, in the form that every engine loads: that of `docker save`.
//!
//! Source: moby `image/spec/v1.2.md` ("Combined Image JSON + Filesystem Changeset Format"); POSIX ustar. The images share
//! their one layer, which holds one program, and differ in a label, so that they are two images and not one with two names.

use crate::oci::Digest;

/// The program's path in the images.
pub const PROGRAM: &str = "/probe";
const BLOCK: usize = 512;

/// The archive of two images with these names.
pub fn two_images(program: &[u8], names: [&str; 2]) -> Vec<u8> {
    let mut layer = Vec::new();
    add(&mut layer, "probe", 0o755, program);
    end(&mut layer);
    let mut archive = Vec::new();
    let mut manifest = Vec::new();
    for name in names {
        let config = configuration(&layer, name).to_string();
        let file = format!("{}.json", Digest::of(config.as_bytes()).hex());
        add(&mut archive, &file, 0o644, config.as_bytes());
        manifest
            .push(serde_json::json!({"Config": file, "RepoTags": [name], "Layers": ["layer.tar"]}));
    }
    add(&mut archive, "layer.tar", 0o644, &layer);
    let manifest = serde_json::Value::from(manifest).to_string();
    add(&mut archive, "manifest.json", 0o644, manifest.as_bytes());
    end(&mut archive);
    archive
}

fn configuration(layer: &[u8], name: &str) -> serde_json::Value {
    serde_json::json!({
        "architecture": architecture(),
        "os": "linux",
        "config": {"Entrypoint": [PROGRAM], "Cmd": ["--version"], "Labels": {"imgcompat.probe": name}},
        "rootfs": {"type": "layers", "diff_ids": [Digest::of(layer)]},
    })
}

/// The architecture as Go, and so every engine, calls it.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "x86" => "386",
        "aarch64" => "arm64",
        "powerpc64" if cfg!(target_endian = "little") => "ppc64le",
        other => other,
    }
}

fn add(archive: &mut Vec<u8>, name: &str, mode: u32, content: &[u8]) {
    let mut header: Vec<u8> = Vec::with_capacity(BLOCK);
    let mut field = |text: String, width: usize| {
        let mut bytes = text.into_bytes();
        bytes.resize(width, 0);
        header.extend(bytes);
    };
    field(name.to_owned(), 100);
    field(format!("{mode:07o}"), 8);
    field("0000000".to_owned(), 8);
    field("0000000".to_owned(), 8);
    field(format!("{:011o}", content.len()), 12);
    field("00000000000".to_owned(), 12);
    // The checksum counts its own field as blanks.
    field("        ".to_owned(), 8);
    field("0".to_owned(), 1);
    field(String::new(), 100);
    field("ustar".to_owned(), 6);
    field("00".to_owned(), 2);
    field(String::new(), BLOCK - 265);
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    let sum = format!("{sum:06o}\0 ");
    header.splice(148..156, sum.into_bytes());
    archive.extend(header);
    archive.extend(content);
    archive.resize(archive.len().next_multiple_of(BLOCK), 0);
}

fn end(archive: &mut Vec<u8>) {
    archive.resize(archive.len() + 2 * BLOCK, 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tar_reads_it() {
        let archive = two_images(b"program", ["localhost/a:1", "localhost/a:2"]);
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a.tar"), &archive).unwrap();
        let tar = |arguments: &[&str]| {
            let output = std::process::Command::new("tar")
                .current_dir(dir.path())
                .args(arguments)
                .output()
                .unwrap();
            assert!(output.status.success(), "{output:?}");
            String::from_utf8(output.stdout).unwrap()
        };
        let listed = tar(&["-tf", "a.tar"]);
        assert_eq!(listed.lines().filter(|name| name.ends_with(".json")).count(), 3);
        tar(&["-xf", "a.tar", "layer.tar", "manifest.json"]);
        assert!(tar(&["-tvf", "layer.tar"]).starts_with("-rwxr-xr-x"));
        let manifest = std::fs::read(dir.path().join("manifest.json")).unwrap();
        let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
        assert_eq!(manifest[1]["RepoTags"][0], "localhost/a:2");
        assert_ne!(manifest[0]["Config"], manifest[1]["Config"]);
    }
}
