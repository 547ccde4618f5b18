//! Every parser of bytes that somebody else wrote, as a function of bytes, with inputs to begin from. Used by
//! `tests/fuzz`, which mutates them for a moment in every test run, and by `fuzz/`, where libFuzzer does for as long as
//! one likes.

#[path = "targets/engines.rs"]
mod engines;
#[path = "targets/talks.rs"]
mod talks;

use std::cell::RefCell;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use imgcompat::artifact::{cache, check};
use imgcompat::audit::history::Lines;
use imgcompat::audit::{Record, counters::Counters, message, repeats};
use imgcompat::deadline::Deadline;
use imgcompat::host::{FeatureSet, Features, Host, HostRoot};
use imgcompat::image::storage_records::Store;
use imgcompat::image::{ImagePattern, Memory};
use imgcompat::kept::{self, Folder};
use imgcompat::oci::{Digest, Document, Reference, Repository};
use imgcompat::paths::Paths;
use imgcompat::policy::Policy;
use imgcompat::registry::access::{Access, Options};
use imgcompat::registry::node_files::NodeFiles;
use imgcompat::rules::matched::Matched;
use imgcompat::rules::{self, pattern::Pattern, template, version::Version};
use imgcompat::spec::{decode, lint};
use imgcompat::start;
use imgcompat::worker::protocol::{
    CheckAnswer, CompileAnswer, DocumentsAnswer, DocumentsRequest, FetchOutcome, FetchRequest,
};

/// One parser.
pub struct Target {
    /// What it parses.
    pub name: &'static str,
    /// Parses it.
    pub run: fn(&[u8]),
    /// Inputs to begin from.
    pub seeds: &'static [&'static str],
}

const SPECIFICATION: &str = "version: v1alpha1\ncompatibilities:\n- description: d\n  weight: 10\n  tag: gpu\n  rules:\n  - name: r\n    vars: {a: b}\n    varsTemplate: |\n      {{ range .cpu.cpuid }}{{ .Name }}=1\n      {{ end }}\n    matchFeatures:\n    - feature: kernel.version\n      matchExpressions:\n        major: {op: Gt, value: [\"1\"]}\n        full: {op: InRegexp, value: [\"^[0-9]+\\\\.\"]}\n    - feature: cpu.cpuid\n      matchName: {op: In, value: [AVX2, AVX512F]}\n    matchAny:\n    - matchFeatures:\n      - feature: pci.device\n        matchExpressions: {vendor: {op: In, value: [\"10de\"]}}\n";

const MANIFEST: &str = r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","artifactType":"application/vnd.nfd.image-compatibility.v1alpha1","config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2},"layers":[{"mediaType":"application/vnd.nfd.image-compatibility.spec.v1alpha1+yaml","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2}],"subject":{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":5},"annotations":{"org.opencontainers.image.created":"2026-01-01T00:00:00Z"}}"#;

const INDEX: &str = r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","artifactType":"application/vnd.nfd.image-compatibility.v1alpha1","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2,"platform":{"os":"linux","architecture":"amd64"},"annotations":{"oci.opencontainers.image.created":"2026-01-01T00:00:00Z"}}]}"#;

const RECORD: &str = r#"{"time":"2026-11-24T08:39:46.56Z","container":"3f2a","engine":"podman","image":"registry.example/a:1","mode":"enforce","verdict":"incompatible","cause":null,"decision":"deny","under_enforce":"deny","reason":"r","judgements":[{"artifact":{"digest":null,"source":"local"},"verdict":"incompatible","set":null,"sets":[{"index":0,"description":"","tag":"","weight":0,"verdict":"incompatible","rules":[{"name":"k","verdict":"incompatible","error":null,"expressions":[{"feature":"kernel.version","element":"major","matcher":"matchExpressions","op":"Gt","value":["2"],"type":"","verdict":"no-match","host":"6","error":null,"position":{"line":10,"column":9}}],"matchAny":[]}]}]}],"duration_us":531,"version":"0.1.0"}"#;

/// Two records, a torn one, a foreign line, and one without its end.
const LOG: &str = "{\"time\":\"2026-11-24T08:39:46.56Z\",\"container\":\"3f2a\",\"engine\":null,\"image\":\"a\",\"mode\":\"audit\",\"verdict\":\"undecided\",\"cause\":\"internal\",\"decision\":\"allow\",\"under_enforce\":\"deny\",\"reason\":\"r\",\"repeated\":3,\"duration_us\":531,\"version\":\"0.1.0\"}\n{\"time\":\"x\n\nno record\n{\"time\":\"2026";

/// An image's configuration.
const CONFIGURATION: &str = r#"{"rootfs":{"type":"layers","diff_ids":["sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"]}}"#;

/// `index.json` with the annotations that `mirror` writes.
const LAYOUT_INDEX: &str = r#"{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2,"annotations":{"io.imgcompat.repository":"r.example/a","io.imgcompat.subject":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","io.imgcompat.binding":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"}}]}"#;

/// All of them.
pub const TARGETS: [Target; 30] = [
    Target {
        name: "state",
        run: state,
        seeds: &[
            r#"{"ociVersion":"1.0.2","id":"c1","pid":7,"status":"created","bundle":"/nonexistent/b","annotations":{"a":"b"}}"#,
        ],
    },
    Target {
        name: "bundle-config",
        run: bundle_config,
        seeds: &[
            r#"{"ociVersion":"1.0.2","root":{"path":"rootfs"},"process":{"terminal":true,"env":["A=B"]},"mounts":[]}"#,
        ],
    },
    Target {
        name: "containers-json",
        run: containers_json,
        seeds: &[
            r#"[{"id":"a","image":"x","metadata":"{\"id\":\"b\"}"},{"id":"b","image":"y","layer":"l","metadata":"{\"image-name\":\"r/a:1\"}"}]"#,
        ],
    },
    Target {
        name: "images-json",
        run: images_json,
        seeds: &[
            r#"[{"id":"a"},{"id":"b","names":["r.example/a:1"],"names-history":null,"big-data-names":["manifest","manifest-sha256:00"]}]"#,
        ],
    },
    Target {
        name: "specification",
        run: specification,
        seeds: &[
            SPECIFICATION,
            "{\"version\": \"v1alpha1\", \"compatibilities\": [{\"rules\": [{\"name\": \"r\"}]}]}",
            "a: &x [*x]\n? !!map {}\n: |2-\n  t\n",
        ],
    },
    Target {
        name: "local-specification",
        run: local_specification,
        seeds: &[
            "images: ['**']\ncombine: replace\nversion: v1alpha1\ncompatibilities:\n- rules: [{name: r}]\n",
        ],
    },
    Target { name: "lint", run: lint, seeds: &[SPECIFICATION] },
    Target { name: "evaluation", run: evaluation, seeds: &[SPECIFICATION] },
    Target {
        name: "template",
        run: template,
        seeds: &[
            "{{ range $i, $e := .cpu.cpuid }}{{ if eq .Name \"AVX\" }}a={{ $i | printf \"%05d\" }}\n{{ else }}{{ with $x := list 1 2 3 }}{{ join \",\" $x }}{{ end }}{{ end }}{{ end }}",
            "{{ define \"t\" }}{{ . | upper | trunc 5 | quote }}{{ end }}{{ template \"t\" .kernel.version.full }}",
            "{{ regexReplaceAll \"a(x*)b\" \"-ab-axxb-\" \"${1}W\" }}{{ index (dict \"a\" 1) \"a\" }}{{ add 1 2 | mul 3 }}",
        ],
    },
    Target {
        name: "pattern",
        run: pattern,
        seeds: &[r"^(?i:a|b)+[[:alpha:]\pL-z]{2,5}\bx$", r"(?s)\Qa.b\E\x{10FFFF}[^\d\W]*?"],
    },
    Target {
        name: "version",
        run: version,
        seeds: &["v5.14.0-427.el9.x86_64", "1.2.3-rc.1+build", "1.2.3.4"],
    },
    Target { name: "document", run: document, seeds: &[MANIFEST, INDEX] },
    Target {
        name: "reference",
        run: reference,
        seeds: &[
            "registry.example:5000/a/b:1@sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
            "busybox",
            "[::1]:5000/a",
        ],
    },
    Target { name: "image-pattern", run: image_pattern, seeds: &["registry.example/**/x*?:1"] },
    Target {
        name: "policy",
        run: policy,
        seeds: &[
            "mode = 'audit'\nprofile = 'strict'\ndeadline = '5s'\ninclude = ['rootfs']\n[on]\nincompatible = 'allow'\n[cache]\nartifact = '1h'\n[[image]]\nmatch = '**'\ntags = ['a']\n[[override]]\nimage = '**'\naction = 'allow'\nreason = 'r'\nuntil = '2999-01-01'\n",
        ],
    },
    Target {
        name: "worker-answer",
        run: worker_answer,
        seeds: &[
            "{\"outcome\":\"none\"}\n",
            "{\"outcome\":\"unavailable\",\"kind\":\"denied\",\"detail\":\"d\"}\n",
            "{\"checked\":{\"local\":{\"images\":[\"**\"],\"combine\":\"and\",\"specification\":{\"version\":\"v1alpha1\",\"compatibilities\":[]}},\"warnings\":[]}}",
            "{\"repository\":{\"registry\":\"r\",\"path\":\"p\"},\"subjects\":[],\"deadline_ms\":5}",
        ],
    },
    Target {
        name: "cache-file",
        run: cache_file,
        seeds: &[
            r#"{"key":{"repository":{"registry":"r.example","path":"a"},"subjects":[]},"answer":{"at":{"boot_id":"b","since_boot":1,"wall":2},"content":"none"},"trouble":null}"#,
        ],
    },
    Target { name: "record", run: record, seeds: &[RECORD] },
    Target {
        name: "registry-files",
        run: registry_files,
        seeds: &[
            "0{\"auths\":{\"r.example/a\":{\"auth\":\"dTpw\"}},\"credHelpers\":{\"other\":\"x\"},\"credsStore\":\"\"}",
            "1unqualified-search-registries = ['a']\n[[registry]]\nprefix = '*.example'\nlocation = 'm.example/x'\ninsecure = true\nblocked = false\n[[registry.mirror]]\nlocation = 'mirror.example:5000'\npull-from-mirror = 'digest-only'\n",
            "2server = 'https://r.example'\n[host.'https://m.example/v2/x']\ncapabilities = ['pull', 'resolve']\nskip_verify = true\noverride_path = true\n[host.'https://m.example/v2/x'.header]\nx = ['a', 'b']\n",
            "3-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
        ],
    },
    Target {
        name: "kept-files",
        run: kept_files,
        seeds: &[
            "\u{0}{\"stamp\":{\"version\":\"0\",\"path\":\"/a\",\"device\":1,\"inode\":2,\"size\":3,\"modified\":[1,2],\"changed\":[1,2]},\"known\":{\"id\":\"b\",\"names\":[\"r/a:1\"],\"manifests\":[],\"indexes\":[]}}",
            "\u{1}{\"key\":{\"repository\":{\"registry\":\"r.example\",\"path\":\"a\"},\"subjects\":[]},\"answer\":null,\"trouble\":null}",
            "\u{2}{\"written_at\":5,\"left_out\":1,\"container\":\"c\",\"image\":\"a\",\"outcome\":\"incompatible\"}",
            "\u{3}{\"place\":{\"inode\":1,\"offset\":2,\"head\":\"00\"},\"decisions\":[],\"would_be_refused\":0,\"sources\":{},\"durations\":[0,0,0,0,0,0,0,0,0,0,0,0,0,0],\"duration_us\":0,\"unreadable\":0,\"newest\":0}",
            "\u{4}0x00000007 0x00: eax=0x1 ebx=0x2 ecx=0x3 edx=0x4\n",
        ],
    },
    Target { name: "decision-log", run: decision_log, seeds: &[LOG] },
    Target {
        name: "docker-files",
        run: engines::docker_files,
        seeds: &[
            r#"0{"ID":"c1","Image":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","Config":{"Image":"registry.example/a:1"},"Driver":"overlay2","ImageManifest":{"digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"}}"#,
            r#"1{"Repositories":{"registry.example/a":{"registry.example/a:1":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","registry.example/a@sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"}}}"#,
        ],
    },
    Target {
        name: "containerd-answer",
        run: engines::containerd_answer,
        seeds: &[
            r#"{"outcome":"container","image":"registry.example/a:1","kind":"container","image_ref":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","snapshot_parent":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","images":[{"name":"registry.example/a:1","target":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"}]}"#,
        ],
    },
    Target {
        name: "containerd-api",
        run: talks::containerd_api,
        seeds: &[
            "1\n\u{4e}\u{12}\u{4}\n\u{1}k\u{12}\u{1}v\u{1a}\u{14}registry.example/a:1\u{32}\u{9}overlayfs\u{3a}\u{2}c1\u{52}\u{3}\n\u{1}x",
            "1\n\u{5}\u{12}\u{3}sha",
            "0\u{0}\u{0}\u{0}\u{4}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{5}\u{1}\u{4}\u{0}\u{0}\u{0}\u{1}\u{8}\u{3}200\u{0}\u{0}\u{5}\u{0}\u{1}\u{0}\u{0}\u{0}\u{1}\u{0}\u{0}\u{0}\u{0}\u{0}",
        ],
    },
    Target {
        name: "content-store",
        run: engines::content_store,
        seeds: &[MANIFEST, INDEX, CONFIGURATION],
    },
    Target { name: "layout", run: engines::layout, seeds: &[INDEX, LAYOUT_INDEX] },
    Target {
        name: "engine-configuration",
        run: engines::engine_configurations,
        seeds: &[
            "0{\"runtimes\":{\"nvidia\":{\"path\":\"nvidia-container-runtime\",\"runtimeArgs\":[]}},\"default-runtime\":\"nvidia\"}",
            "1version = 2\n[plugins.'io.containerd.grpc.v1.cri'.containerd.runtimes.runc]\nruntime_type = 'io.containerd.runc.v2'\n[plugins.'io.containerd.grpc.v1.cri'.containerd.runtimes.runc.options]\nBinaryName = 'crun'\n",
            "2[crio.runtime]\nhooks_dir = ['/a']\ndefault_runtime = 'crun'\n[crio.runtime.runtimes.crun]\nruntime_path = '/usr/bin/crun'\n",
            "3[engine]\nruntime = 'crun'\nhooks_dir = ['/a']\n[engine.runtimes]\ncrun = ['/usr/bin/crun']\n",
            "4{\"hooks\":{\"createRuntime\":[]}}",
            "5{\"version\":\"1.0.0\",\"hook\":{\"path\":\"/x\"},\"when\":{\"always\":true},\"stages\":[\"createRuntime\"]}",
        ],
    },
    Target {
        name: "registry-answer",
        run: talks::registry_answer,
        seeds: &[
            INDEX,
            "HTTP/1.1 401 X\r\nWWW-Authenticate: Bearer realm=\"http://127.0.0.1:1/t\",service=\"s\", Basic realm=\"x\"\r\nContent-Length: 2\r\n\r\n{}\u{0}{\"token\":\"abc\",\"expires_in\":60}",
            "HTTP/1.1 404 X\r\nContent-Length: 53\r\n\r\n{\"errors\":[{\"code\":\"NAME_UNKNOWN\",\"message\":\"m\"}]}  ",
            "HTTP/1.1 200 X\r\nLink: </v2/a/referrers/x?n=2>; rel=\"next\"\r\nContent-Type: application/vnd.oci.image.index.v1+json\r\nOCI-Filters-Applied: artifactType\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n\u{0}HTTP/1.1 429 X\r\nRetry-After: 5\r\nContent-Length: 0\r\n\r\n\u{0}HTTP/1.1 302 X\r\nLocation: http://127.0.0.1:1/x\r\nContent-Length: 0\r\n\r\n",
        ],
    },
    Target {
        name: "host-files",
        run: host_files,
        seeds: &[
            "\u{0}6.18.44-fc\n",
            "\u{1}# comment\nCONFIG_X=y\nCONFIG_Z=\"a\"\n",
            "\u{2}nf_tables 4096 0 - Live 0x0\n",
            "\u{3}Filename Type Size Used Priority\n/dev/vdb partition 1 0 -2\n",
            "\u{4}ID=debian\nVERSION_ID=\"12\"\n",
            "\u{5}0x030200\n",
            "\u{6}4\n",
            "\u{7}0x00000007 0x00: eax=0x1 ebx=0x2 ecx=0x3 edx=0x4\n",
            "\u{8}# +expiry-time=2999-01-01T00:00:00Z\nx.example/a=b\n",
            "\u{9}0-3,7\n",
            "\u{a}1000\n",
            "\u{f}22 1 0:20 / /sys/fs/resctrl rw,relatime - resctrl resctrl rw\n",
            "\u{10}sev 509\nsev_es 99\n",
            "\u{11}1\n",
            "\u{12}kernel/fs/ext4/ext4.ko\n",
            "\u{14}processor\t: 0\nFeatures\t: fp asimd\nCPU implementer\t: 0x41\nCPU part\t: 0xd0c\n",
            "\u{15}\u{10}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{7f}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}",
            "\u{16}vendor_id       : IBM/S390\nprocessor 0: version = FF,  identification = 1,  machine = 3931\nfeatures\t: esan3 zarch\n",
            "\u{17}Type: 3931\nVM00 Name: x\nVM00 Control Program: KVM/Linux\n",
        ],
    },
    Target {
        name: "features-file",
        run: features_file,
        seeds: &[
            r#"{"flags":{"cpu.cpuid":{"elements":{"AVX":{}}}},"attributes":{"kernel.version":{"elements":{"major":"6"}}},"instances":{"pci.device":{"elements":[{"attributes":{"vendor":"10de"}}]}}}"#,
        ],
    },
];

thread_local! {
    static FOLDER: RefCell<Option<(tempfile::TempDir, PathBuf)>> = const { RefCell::new(None) };
}

/// A folder of this thread's, below which files may be written.
fn folder() -> PathBuf {
    FOLDER.with(|folder| {
        let mut folder = folder.borrow_mut();
        let (_, path) = folder.get_or_insert_with(|| {
            let base = Path::new("/dev/shm");
            let dir =
                tempfile::tempdir_in(base).or_else(|_| tempfile::tempdir()).expect("a folder");
            let path = dir.path().to_owned();
            (dir, path)
        });
        path.clone()
    })
}

fn file(name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder().join(name);
    if fs::write(&path, bytes).is_err() {
        fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        fs::write(&path, bytes).expect("a file");
    }
    path
}

fn state(bytes: &[u8]) {
    let path = file("state", bytes);
    let mut input = fs::File::open(path).expect("the state");
    let _ = start::hook::read(&mut input, &Deadline::after(Duration::from_secs(5)));
}

fn bundle_config(bytes: &[u8]) {
    let path = file("bundle/config.json", bytes);
    let bundle = path.parent().expect("a bundle").display().to_string();
    let text = serde_json::json!({"ociVersion": "1", "id": "a", "bundle": bundle}).to_string();
    let mut input = fs::File::open(file("good-state", text.as_bytes())).expect("the state");
    let _ = start::hook::read(&mut input, &Deadline::after(Duration::from_secs(5)));
}

fn store() -> Store {
    Store { root: folder(), driver: "overlay".to_owned() }
}

fn containers_json(bytes: &[u8]) {
    file("overlay-containers/containers.json", bytes);
    for id in ["a", "b", "\\", ""] {
        let _ = store().container(id);
    }
}

fn images_json(bytes: &[u8]) {
    file("overlay-images/images.json", bytes);
    for id in ["a", "b"] {
        let _ = store().image(id);
    }
}

fn specification(bytes: &[u8]) {
    if let Ok(decoded) = decode::decode(bytes) {
        // What was accepted survives the form in which it is kept.
        let kept = serde_json::to_vec(&decoded.specification).expect("it can be kept");
        let again: imgcompat::spec::Specification =
            serde_json::from_slice(&kept).expect("it can be read");
        assert_eq!(again, decoded.specification);
    }
}

fn local_specification(bytes: &[u8]) {
    let _ = decode::decode_local(bytes);
    let _ = imgcompat::tasks::compile::compile(bytes);
}

fn lint(bytes: &[u8]) {
    let _ = lint::check(bytes);
    let _ = lint::check_local(bytes);
}

fn evaluation(bytes: &[u8]) {
    thread_local! {
        static FEATURES: FeatureSet = Host::local().export();
    }
    if let Ok(decoded) = decode::decode(bytes) {
        FEATURES.with(|features| {
            let evaluation =
                rules::evaluate(&decoded.specification, features, &rules::Options::default());
            serde_json::to_string(&evaluation.sets).expect("a report");
        });
    }
}

fn text(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

fn template(bytes: &[u8]) {
    let source = text(bytes);
    let _ = template::execute(&source, &Matched::default());
    let _ = template::inspect(&source);
}

fn pattern(bytes: &[u8]) {
    if let Ok(pattern) = Pattern::new(&text(bytes)) {
        pattern.is_match("abc AVX512F 5.14.0-427.el9.x86_64 \u{e9}\u{4e2d}");
    }
}

fn version(bytes: &[u8]) {
    let _ = Version::parse(&text(bytes));
    let _ = Version::parse_host(&text(bytes));
}

fn document(bytes: &[u8]) {
    let _ = Document::parse(bytes);
    let _ = check::manifest(bytes, &Digest::of(bytes), &[Digest::of(b"{}")]);
}

fn reference(bytes: &[u8]) {
    if let Ok(reference) = text(bytes).parse::<Reference>() {
        let again: Reference = reference.to_string().parse().expect("its own text");
        assert_eq!(again, reference);
    }
    let _ = text(bytes).parse::<Digest>();
}

fn image_pattern(bytes: &[u8]) {
    if let Ok(pattern) = ImagePattern::try_from(text(bytes).into_owned()) {
        pattern.matches("registry.example/a/b/c:1");
    }
}

fn policy(bytes: &[u8]) {
    file("etc/imgcompat/config.toml", bytes);
    let _ = Policy::load(&Paths::below(&folder()));
}

fn worker_answer(bytes: &[u8]) {
    let _ = FetchOutcome::read_from(&mut &*bytes);
    let _ = serde_json::from_slice::<CompileAnswer>(bytes);
    let _ = serde_json::from_slice::<FetchRequest>(bytes);
    let _ = serde_json::from_slice::<CheckAnswer>(bytes);
    let _ = serde_json::from_slice::<DocumentsAnswer>(bytes);
    let _ = serde_json::from_slice::<DocumentsRequest>(bytes);
}

fn cache_file(bytes: &[u8]) {
    let _ = serde_json::from_slice::<cache::Entry>(bytes);
    let kept = imgcompat::kept::Folder::open(&folder(), "kept").expect("a folder");
    fs::write(kept.path().join("raw"), bytes).expect("a file");
    assert!(kept.load("raw", 1 << 20).is_none(), "believed without a checksum");
}

fn record(bytes: &[u8]) {
    let Ok(record) = serde_json::from_slice::<Record>(bytes) else { return };
    let line = message::refusal(&record, "3f2a");
    assert!(line.len() <= imgcompat::limits::REFUSAL_BYTES, "{}", line.len());
    assert!(!line.trim_end().chars().any(char::is_control), "{line:?}");
    record.to_line();
    imgcompat::sanitize::bounded_line(&record.reason, 100);
}

/// The first byte says which file.
fn registry_files(bytes: &[u8]) {
    const FILES: [&str; 4] = [
        "etc/containers/auth.json",
        "etc/containers/registries.conf",
        "etc/containerd/certs.d/r.example/hosts.toml",
        "etc/containers/certs.d/r.example/ca.crt",
    ];
    let Some((first, rest)) = bytes.split_first() else { return };
    FILES.iter().for_each(|name| drop(fs::remove_file(folder().join(name))));
    let name = FILES[usize::from(*first) % FILES.len()];
    let path = file(name, rest);
    let authfile = name.ends_with("auth.json").then_some(path);
    let options = Options { files: NodeFiles::of_root(&folder()), authfile, ..Options::default() };
    let repository = Repository { registry: "r.example".to_owned(), path: "a".to_owned() };
    let _ = Access::for_repository(&repository, &options);
}

/// What the first byte of an input can choose, with the features that come from it: one file of each kind of reader,
/// below the directory of a host of each architecture that reads it.
const HOST_FILES: [(&str, &str, &[&str]); 24] = [
    ("x86_64", "proc/sys/kernel/osrelease", &["kernel.version", "kernel.loadedmodule"]),
    ("x86_64", "boot/config-6.1.0", &["kernel.config"]),
    ("x86_64", "proc/modules", &["kernel.loadedmodule"]),
    ("x86_64", "proc/swaps", &["memory.swap"]),
    ("x86_64", "etc/os-release", &["system.osrelease"]),
    ("x86_64", "sys/bus/pci/devices/0000:00:00.0/class", &["pci.device"]),
    ("x86_64", "sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", &["memory.hugepages"]),
    ("x86_64", ".imgcompat/cpuid", &["cpu.cpuid", "cpu.model", "cpu.security", "cpu.rdt"]),
    (
        "x86_64",
        "etc/kubernetes/node-feature-discovery/features.d/f",
        &["local.feature", "local.label"],
    ),
    ("x86_64", "sys/devices/system/cpu/online", &["cpu.topology", "cpu.pstate"]),
    ("x86_64", "sys/class/net/eth0/speed", &["network.device", "network.virtual"]),
    ("x86_64", "sys/block/sda/queue/rotational", &["storage.block"]),
    ("x86_64", "sys/bus/usb/devices/1-1/bDeviceClass", &["usb.device"]),
    ("x86_64", "sys/bus/nd/devices/namespace0.0/mode", &["memory.nv"]),
    ("x86_64", "sys/devices/virtual/dmi/id/sys_vendor", &["system.dmiid"]),
    ("x86_64", "proc/self/mountinfo", &["cpu.rdt"]),
    ("x86_64", "sys/fs/cgroup/misc.capacity", &["cpu.security"]),
    ("x86_64", "sys/fs/selinux/enforce", &["kernel.selinux"]),
    ("x86_64", "lib/modules/6.1.0/modules.builtin", &["kernel.enabledmodule"]),
    ("x86_64", "proc/config.gz", &["kernel.config"]),
    ("arm64", "proc/cpuinfo", &["cpu.model", "cpu.cpuid"]),
    ("arm64", "proc/self/auxv", &["cpu.cpuid"]),
    ("s390x", "proc/cpuinfo", &["cpu.model", "cpu.cpuid", "cpu.security"]),
    ("s390x", "proc/sysinfo", &["cpu.model"]),
];

fn host_files(bytes: &[u8]) {
    let Some((first, rest)) = bytes.split_first() else { return };
    let (architecture, name, features) = HOST_FILES[usize::from(*first) % HOST_FILES.len()];
    let at = |name: &str| format!("host-{architecture}/{name}");
    file(&at(".imgcompat/arch"), architecture.as_bytes());
    file(&at("proc/sys/kernel/osrelease"), b"6.1.0\n");
    // A device counts only with all of its identity, and one of USB only with a product.
    for attribute in ["vendor", "device", "subsystem_vendor", "subsystem_device"] {
        file(&at(&format!("sys/bus/pci/devices/0000:00:00.0/{attribute}")), b"0x10de\n");
    }
    file(&at("sys/bus/usb/devices/1-1/idProduct"), b"0002\n");
    let path = file(&at(name), rest);
    let root = folder().join(format!("host-{architecture}"));
    let host = Host::new(HostRoot::tree(&root).expect("a tree"));
    for feature in features {
        host.discover(feature);
    }
    let _ = fs::remove_file(path);
}

/// Files of the cache that have their checksum, so that their content is read. The first byte says which.
fn kept_files(bytes: &[u8]) {
    let Some((first, rest)) = bytes.split_first() else { return };
    let cache = folder().join("cache");
    let keep = |directory: &str, name: &str, content: &[u8]| {
        let folder = Folder::open(&cache, directory).expect("a folder");
        folder.store(name, content).expect("a file");
    };
    match first % 5 {
        0 => {
            file("overlay-images/images.json", b"[]");
            let memory = Memory::below(cache.clone());
            let place = memory.of_store(&store()).expect("the store's records");
            let records = folder().join("overlay-images/images.json");
            let name = kept::name_for(&[records.as_os_str().as_encoded_bytes(), b"b"]);
            keep("images", &name, rest);
            place.recall("b");
        }
        1 => {
            let repository = Repository { registry: "r.example".to_owned(), path: "a".to_owned() };
            keep("artifacts", &kept::name_for(&[b"r.example", b"a"]), rest);
            let key = cache::Key { repository, subjects: Vec::new() };
            cache::Cache::open(&cache).expect("the cache").load(&key);
        }
        2 => {
            keep("refusals", &kept::name_for(&[b"a", b"incompatible"]), rest);
            repeats::count(&cache, "c", "a", "incompatible", 1_000);
        }
        3 => {
            keep("metrics", "state", rest);
            let _ = Counters::load(&cache).catch_up(&folder().join("log"));
        }
        _ => {
            let boot = imgcompat::clock::boot_id();
            let head = format!("boot {boot} version {}\n", env!("CARGO_PKG_VERSION"));
            keep("host", "cpuid", &[head.as_bytes(), rest].concat());
            let host = Host::local().remembering(&cache);
            host.discover("cpu.cpuid");
            host.discover("cpu.model");
        }
    }
}

/// The decision log as `why`, `report` and `metrics` read it.
fn decision_log(bytes: &[u8]) {
    let mut lines = Lines::new(bytes);
    while let Ok(Some(_)) = lines.next_line() {}
    assert!(lines.bytes() <= bytes.len() as u64);
    file("log/decisions.jsonl", bytes);
    let _ = Counters::load(&folder().join("no-cache")).catch_up(&folder().join("log"));
}

fn features_file(bytes: &[u8]) {
    if let Ok(features) = serde_json::from_slice::<FeatureSet>(bytes) {
        serde_json::to_vec(&features).expect("it can be written");
    }
}

/// Runs the target of this name; for `fuzz/`.
#[allow(dead_code, reason = "used by fuzz/")]
pub fn run(name: &str, bytes: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("a target of this name");
    (target.run)(bytes);
    let _ = std::io::stdout().flush();
}
