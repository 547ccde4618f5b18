//! How long the hook takes, and what it costs an engine: `make bench`. Prints the tables of `docs/performance.md`; nothing
//! is asserted, since a busy machine would make that a lie.
//!
//! `cargo bench --profile dev --bench hook -- --hook PATH [PART…]`, the parts being warm, size, cold, parallel, engines,
//! nfd, compare (with `--old PATH`, two hooks against each other) and order (see `order.rs`). The program measured is the installed one, built
//! with the release profile; this driver need not be.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a benchmark that cannot run should say where"
)]

#[path = "../../tests/support/faulty_server.rs"]
#[allow(dead_code)]
mod faulty_server;
mod measure;
mod order;
mod runtimes;
mod store;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use faulty_server::{Asked, Reply, Server, answer};
use imgcompat::oci::{Digest, media_type};
use measure::{Candidate, show, table};
use store::{SMALL, Size, Store};

/// As many expressions as wanted, all of which hold.
fn specification(expressions: usize) -> String {
    let mut text = "version: v1alpha1\ncompatibilities:\n- rules:\n  - name: kernel\n    matchFeatures:\n    - feature: cpu.model\n      matchName: {op: InRegexp, value: [\"^vendor\"]}\n".to_owned();
    for number in 0..expressions.div_ceil(10) {
        text += &format!(
            "  - name: rule{number}\n    matchFeatures:\n    - feature: kernel.version\n      matchExpressions:\n"
        );
        text += "        major: {op: Gt, value: [\"1\"]}\n        minor: {op: Exists}\n        full: {op: Exists}\n        revision: {op: Exists}\n";
        text += "    - feature: cpu.model\n      matchExpressions: {vendor_id: {op: Exists}, family: {op: Exists}, id: {op: Exists}}\n";
        text += "    - feature: system.osrelease\n      matchExpressions: {ID: {op: Exists}, NAME: {op: Exists}, nothing: {op: DoesNotExist}}\n";
    }
    text
}

/// A local specification that stands in place of the images' own, so that no registry is needed.
fn local(expressions: usize) -> String {
    format!("combine: replace\nimages: [\"**\"]\n{}", specification(expressions))
}

fn manifest(subject: &Digest, specification: &str) -> String {
    serde_json::json!({
        "schemaVersion": 2, "mediaType": media_type::IMAGE_MANIFEST, "artifactType": media_type::ARTIFACT_TYPE,
        "config": {"mediaType": media_type::EMPTY, "digest": Digest::of(b"{}"), "size": 2},
        "layers": [{"mediaType": media_type::SPECIFICATION, "digest": Digest::of(specification.as_bytes()), "size": specification.len()}],
        "subject": {"mediaType": media_type::IMAGE_MANIFEST, "digest": subject, "size": 5},
    })
    .to_string()
}

/// A registry that has the same specification attached to the first `images` images.
fn registry(images: usize) -> Server {
    let specification = specification(10);
    let manifests: Vec<(Digest, String)> = (0..images)
        .map(|number| (Store::manifest(number), manifest(&Store::manifest(number), &specification)))
        .collect();
    Server::start(move |asked| reply(asked, &manifests, &specification))
}

fn reply(asked: &Asked, manifests: &[(Digest, String)], specification: &str) -> Reply {
    let path = asked.target.split('?').next().unwrap_or_default();
    let last = path.rsplit('/').next().unwrap_or_default();
    if path.contains("/referrers/") {
        let list: Vec<_> = manifests.iter().filter(|(subject, _)| subject.as_str() == last).map(|(_, text)| {
            serde_json::json!({"mediaType": media_type::IMAGE_MANIFEST, "artifactType": media_type::ARTIFACT_TYPE,
                "digest": Digest::of(text.as_bytes()), "size": text.len()})
        }).collect();
        let index = serde_json::json!({"schemaVersion": 2, "mediaType": media_type::IMAGE_INDEX, "manifests": list});
        return answer(200, media_type::IMAGE_INDEX, index.to_string());
    }
    if path.contains("/blobs/") && Digest::of(specification.as_bytes()).as_str() == last {
        return answer(200, "application/octet-stream", specification);
    }
    let images = || (0..manifests.len()).map(Store::manifest_text);
    let all = || manifests.iter().map(|(_, text)| text.clone()).chain(images());
    match all().find(|text| Digest::of(text.as_bytes()).as_str() == last) {
        Some(text) => answer(200, media_type::IMAGE_MANIFEST, text.as_bytes()),
        None => answer(404, "application/json", r#"{"errors":[{"code":"MANIFEST_UNKNOWN"}]}"#),
    }
}

/// What the command line says.
pub struct Wanted {
    /// The hook to measure.
    pub hook: PathBuf,
    old: Option<PathBuf>,
    parts: Vec<String>,
    /// How often each candidate is run.
    pub runs: usize,
    scratch: tempfile::TempDir,
}

impl Wanted {
    fn parse() -> Self {
        let mut wanted = Wanted {
            hook: PathBuf::from(env!("CARGO_BIN_EXE_imgcompat-hook")),
            old: None,
            parts: Vec::new(),
            runs: 400,
            scratch: tempfile::tempdir().expect("a scratch directory"),
        };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            match word.as_str() {
                "--hook" => {
                    wanted.hook = fs::canonicalize(words.next().expect("a path")).expect("the hook")
                }
                "--old" => {
                    wanted.old =
                        Some(fs::canonicalize(words.next().expect("a path")).expect("the old hook"))
                }
                "--runs" => {
                    wanted.runs = words.next().and_then(|n| n.parse().ok()).expect("a number")
                }
                "--bench" => {}
                part => wanted.parts.push(part.to_owned()),
            }
        }
        wanted
    }

    fn wants(&self, part: &str) -> bool {
        self.parts.iter().any(|wanted| wanted == part)
            || (self.parts.is_empty() && !matches!(part, "compare" | "order"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    /// The hook for a container of a store.
    fn hook_for(&self, name: &str, hook: &Path, store: &Store, container: usize) -> Candidate {
        let root = store.root().display().to_string();
        Candidate::new(name, hook, &["--root", &root], store.state(container))
    }

    /// The same, once it has kept what it keeps.
    fn warm(&self, name: &str, hook: &Path, store: &Store, container: usize) -> Candidate {
        let candidate = self.hook_for(name, hook, store, container);
        std::thread::sleep(std::time::Duration::from_millis(150));
        for _ in 0..3 {
            assert!(candidate.spawn().wait().expect("it ends").success(), "{name} refuses");
        }
        let log = fs::read_to_string(store.root().join("var/log/imgcompat/decisions.jsonl"))
            .expect("a log");
        let last = log.lines().last().unwrap_or_default();
        assert!(last.contains(r#""verdict":"compatible""#), "{name}: {last}");
        candidate
    }

    /// A store whose images need no registry.
    fn local_store(&self, name: &str, size: Size, expressions: usize) -> Store {
        let store = Store::make(&self.path(name), "registry.example", size);
        store.forget();
        store.write("etc/imgcompat/specs.d/bench.yaml", &local(expressions));
        store
    }

    fn empty(&self) -> Candidate {
        Candidate::new(
            "an empty static program",
            empty_program(self.scratch.path()),
            &[],
            "/dev/null".into(),
        )
    }
}

/// One part of the benchmark.
type Part = fn(&Wanted);

fn main() {
    let wanted = Wanted::parse();
    let parts: [(&str, Part); 8] = [
        ("warm", warm),
        ("size", size),
        ("cold", cold),
        ("parallel", parallel),
        ("engines", runtimes::engines),
        ("nfd", runtimes::nfd),
        ("compare", compare),
        ("order", order),
    ];
    for (name, part) in parts.iter().filter(|(name, _)| wanted.wants(name)) {
        eprintln!("measuring: {name}");
        part(&wanted);
    }
}

/// A warm start with a local specification, and one with a registry's answer in the cache.
fn warm_starts(wanted: &Wanted) -> [Candidate; 2] {
    let store = wanted.local_store("warm", SMALL, 10);
    let server = registry(10);
    let cached = Store::make(&wanted.path("cached"), &server.authority, SMALL);
    cached.forget();
    [
        wanted.warm("hook, local specification", &wanted.hook, &store, 0),
        wanted.warm("hook, cached answer", &wanted.hook, &cached, 0),
    ]
}

/// What a warm start runs, for the linker.
fn order(wanted: &Wanted) {
    order::script(wanted, &warm_starts(wanted));
}

/// A warm start against programs that do nothing.
fn warm(wanted: &Wanted) {
    let [local, cached] = warm_starts(wanted);
    let idle = Candidate::new("/bin/true", "/bin/true", &[], "/dev/null".into());
    let candidates = [wanted.empty(), idle, local, cached];
    table("### A warm start", &candidates, wanted.runs);
    println!("\nPeak memory of the warm hook: {} KiB.", peak_memory(&candidates[3]));
}

/// What a warm start costs on large nodes.
fn size(wanted: &Wanted) {
    let runs = wanted.runs / 2;
    let sized = |images, containers| Size { images, containers };
    let stores = [
        ("10 images, 10 containers", wanted.local_store("s10", SMALL, 10)),
        ("1,000 images", wanted.local_store("s1k", sized(1_000, 10), 10)),
        ("10,000 images", wanted.local_store("s10k", sized(10_000, 10), 10)),
        ("2,000 containers, the oldest started", wanted.local_store("c2k", sized(10, 2_000), 10)),
    ];
    let mut candidates: Vec<Candidate> =
        stores.iter().map(|(name, store)| wanted.warm(name, &wanted.hook, store, 0)).collect();
    let (_, crowded) = &stores[3];
    candidates.push(wanted.warm(
        "2,000 containers, the newest started",
        &wanted.hook,
        crowded,
        1_999,
    ));
    let expressions = wanted.local_store("e10k", SMALL, 10_000);
    candidates.push(wanted.warm("10,000 expressions", &wanted.hook, &expressions, 0));
    let entries = wanted.local_store("k100k", SMALL, 10);
    candidates.push(wanted.warm("100,000 cache files", &wanted.hook, &entries, 0));
    for folder in ["artifacts", "images", "specs"] {
        let folder = entries.root().join("var/cache/imgcompat").join(folder);
        fs::create_dir_all(&folder).expect("a directory");
        for number in 0..33_334 {
            fs::write(folder.join(format!("{number:016x}")), "x").expect("a file");
        }
    }
    table("### A warm start on nodes of other sizes", &candidates, runs);
    for candidate in &candidates {
        println!("\nPeak memory, {}: {} KiB.", candidate.name, peak_memory(candidate));
    }
    pci(wanted);
}

/// Devices are files below a fixture tree.
fn pci(wanted: &Wanted) {
    let text = "combine: replace\nimages: [\"**\"]\nversion: v1alpha1\ncompatibilities:\n- rules:\n  - name: r\n    matchFeatures:\n    - feature: pci.device\n      matchExpressions: {vendor: {op: In, value: [\"10de\"]}}\n";
    let mut candidates = Vec::new();
    for devices in [10usize, 500] {
        let store = wanted.local_store(&format!("pci{devices}"), SMALL, 10);
        store.write("etc/imgcompat/specs.d/bench.yaml", text);
        let host = wanted.path(&format!("host{devices}"));
        for number in 0..devices {
            let device = host.join(format!(
                "sys/bus/pci/devices/0000:{:02x}:{:02x}.0",
                number / 32,
                number % 32
            ));
            fs::create_dir_all(&device).expect("a device");
            for (name, value) in [
                ("class", "0x030200"),
                ("vendor", "0x10de"),
                ("device", "0x20b0"),
                ("subsystem_vendor", "0x10de"),
                ("subsystem_device", "0x1463"),
            ] {
                fs::write(device.join(name), format!("{value}\n")).expect("an attribute");
            }
        }
        let (root, host) = (store.root().display().to_string(), host.display().to_string());
        let arguments = ["--root", root.as_str(), "--host-root", host.as_str()];
        candidates.push(Candidate::new(
            &format!("{devices} PCI devices"),
            &wanted.hook,
            &arguments,
            store.state(0),
        ));
    }
    table("### Devices looked at", &candidates, wanted.runs / 4);
}

/// The first start of an image: the registry is asked.
fn cold(wanted: &Wanted) {
    let server = registry(10);
    let store = Store::make(&wanted.path("cold"), &server.authority, SMALL);
    let candidate = wanted.hook_for("hook, nothing kept", &wanted.hook, &store, 0);
    let mut times = Vec::new();
    for _ in 0..wanted.runs / 8 {
        store.forget();
        times.push(candidate.time());
    }
    times.sort();
    let asked = server.asked().len() / times.len();
    println!("\n### A cold start, registry on loopback\n");
    println!(
        "Median {} of {} ({} to {}); {asked} requests each.",
        show(times[times.len() / 2]),
        times.len(),
        show(times[times.len() / 10]),
        show(times[times.len() * 9 / 10])
    );
}

/// Many starts at once.
fn parallel(wanted: &Wanted) {
    let store = wanted.local_store("parallel", SMALL, 10);
    let hook = wanted.warm("hook, warm", &wanted.hook, &store, 0);
    let idle = Candidate::new("/bin/true", "/bin/true", &[], "/dev/null".into());
    let empty = wanted.empty();
    println!(
        "\n### Many warm starts at once\n\n| starts at once | empty program | /bin/true | hook |\n|---|---|---|---|"
    );
    for count in [1usize, 50, 500] {
        let per_second = |candidate: &Candidate| {
            let mut best: Vec<f64> = (0..5).map(|_| at_once(candidate, count)).collect();
            best.sort_by(f64::total_cmp);
            format!("{:.0} starts/s", best[best.len() / 2])
        };
        println!(
            "| {count} | {} | {} | {} |",
            per_second(&empty),
            per_second(&idle),
            per_second(&hook)
        );
    }
    for (starts, images) in [(500, 1), (500, 100)] {
        storm(wanted, starts, images);
    }
}

fn at_once(candidate: &Candidate, count: usize) -> f64 {
    let began = Instant::now();
    let children: Vec<_> = (0..count).map(|_| candidate.spawn()).collect();
    children.into_iter().for_each(|mut child| drop(child.wait()));
    count as f64 / began.elapsed().as_secs_f64()
}

/// Cold starts at once: all decided, one set of requests for each image.
fn storm(wanted: &Wanted, starts: usize, images: usize) {
    let server = registry(images);
    let name = format!("storm{images}");
    let store =
        Store::make(&wanted.path(&name), &server.authority, Size { images, containers: starts });
    store.forget();
    let began = Instant::now();
    let children: Vec<_> = (0..starts)
        .map(|number| wanted.hook_for("hook", &wanted.hook, &store, number).spawn())
        .collect();
    let allowed = children
        .into_iter()
        .filter_map(|mut child| child.wait().ok())
        .filter(|s| s.success())
        .count();
    let took = began.elapsed();
    let log =
        fs::read_to_string(store.root().join("var/log/imgcompat/decisions.jsonl")).expect("a log");
    let decided = log.matches(r#""verdict":"compatible","cause":null"#).count();
    let longest = log
        .lines()
        .filter_map(|line| {
            line.split(r#""duration_us":"#).nth(1)?.split(',').next()?.parse::<u64>().ok()
        })
        .max();
    let lists = server.asked().iter().filter(|asked| asked.target.contains("/referrers/")).count();
    println!(
        "\n{starts} cold starts at once of {images} image(s): {decided} decided as compatible, {allowed} allowed, {} requests ({lists} lists of referrers), {} in all, the longest {:.0} ms.",
        server.asked().len(),
        show(took),
        longest.unwrap_or(0) as f64 / 1e3
    );
}

/// Two hooks against each other, for a change.
fn compare(wanted: &Wanted) {
    let Some(old) = &wanted.old else { return println!("compare needs --old PATH") };
    let (before, after) =
        (wanted.local_store("before", SMALL, 10), wanted.local_store("after", SMALL, 10));
    let candidates = [
        wanted.warm("old hook", old, &before, 0),
        wanted.warm("new hook", &wanted.hook, &after, 0),
        wanted.empty(),
    ];
    table("### Old and new", &candidates, wanted.runs);
}

/// The most memory it had, in KiB: looked up while strace holds it at its exit.
fn peak_memory(candidate: &Candidate) -> String {
    let mut command = Command::new("strace");
    command.args([
        "-qq",
        "-o",
        "/dev/null",
        "-e",
        "trace=exit_group",
        "-e",
        "inject=exit_group:delay_enter=400ms",
    ]);
    let input = fs::File::open(&candidate.input).expect("the input");
    let child =
        command.args(&candidate.words).stdin(Stdio::from(input)).stderr(Stdio::null()).spawn();
    let Ok(mut child) = child else { return "?".to_owned() };
    std::thread::sleep(std::time::Duration::from_millis(250));
    let children =
        fs::read_to_string(format!("/proc/{0}/task/{0}/children", child.id())).unwrap_or_default();
    let status =
        fs::read_to_string(format!("/proc/{}/status", children.trim())).unwrap_or_default();
    let _ = child.wait();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    peak.map_or("?".to_owned(), |peak| peak.trim().trim_end_matches(" kB").to_owned())
}

/// Static where a target allows, since the hook is installed so; else as rustc makes it.
fn empty_program(directory: &Path) -> PathBuf {
    let (source, program) = (directory.join("empty.rs"), directory.join("empty"));
    if program.exists() {
        return program;
    }
    fs::write(&source, "fn main() {}").expect("a source");
    let target = format!("--target={}-unknown-linux-musl", std::env::consts::ARCH);
    let built = [vec![target], vec!["-Ctarget-feature=+crt-static".to_owned()], vec![]].iter().any(
        |target| {
            let mut compiler = Command::new("rustc");
            compiler
                .args(target)
                .arg("-O")
                .arg("-o")
                .arg(&program)
                .arg(&source)
                .stderr(Stdio::null());
            compiler.status().is_ok_and(|status| status.success())
        },
    );
    assert!(built, "rustc cannot build an empty program");
    program
}
