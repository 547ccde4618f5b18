//! Every bound on what a stranger can make this program read, hold or do, once, with its reason.

use std::time::Duration;

/// OCI state on the hook's standard input. Real ones are below 4 KiB, but a start that is not read is not judged, and who
/// creates a pod has a say in its annotations: 256 KiB by Kubernetes, more in handlers that the kubelet writes into some.
/// CRI-O repeats those as JSON in JSON, where a byte may take thirteen.
pub const STATE_BYTES: u64 = 32 << 20;
/// How long the rest of a state is read that nobody needs any more. A runtime has it ready before it starts a hook.
pub const DRAIN_TIME: Duration = Duration::from_secs(1);
/// The command line of the runtime that called the hook.
pub const COMMAND_LINE_BYTES: u64 = 64 << 10;
/// A bundle's `config.json`. Kubernetes pods with many mounts reach some hundred KiB; the same annotations are in it, and
/// variables, of which 2 MiB can be handed to a program: 12 MiB in JSON.
pub const BUNDLE_CONFIG_BYTES: u64 = 64 << 20;
/// containers/storage's `containers.json` and `images.json`: 10,000 images are about 20 MiB.
pub const STORAGE_RECORDS_BYTES: u64 = 256 << 20;
/// Manifests in containers/storage that are looked at for one image; real ones have two or three.
pub const STORED_MANIFESTS: usize = 32;
/// Repositories asked for one image, of all that its names are in.
pub const IMAGE_REPOSITORIES: usize = 8;
/// One answer of containerd: thousands of images are below 4 MiB; its own limit is 16.
pub const CONTAINERD_ANSWER_BYTES: usize = 16 << 20;
/// A manifest or index; the limit of the distribution specification and of containers/image.
pub const MANIFEST_BYTES: u64 = 4 << 20;
/// Manifests of one index that are looked at; real ones have at most some twenty platforms and as many attestations.
pub const INDEX_CHILDREN: usize = 128;
/// Digests that one image was pulled by, of which the registry is asked what they lead to.
pub const PULLED_DIGESTS: usize = 4;
/// A specification. The largest known ones are below 20 KiB.
pub const SPECIFICATION_BYTES: u64 = 1 << 20;
/// Nodes (scalars, maps, lists) of one specification, aliases counted where they are used.
pub const SPECIFICATION_NODES: usize = 600_000;
/// Text in all scalars of one specification, aliases counted where they are used.
pub const SPECIFICATION_TEXT_BYTES: usize = 4 << 20;
/// What one pair of brackets, or one line, of a specification that is YAML and not JSON may hold. The YAML parser keeps
/// it as tokens until the brackets close, at up to 180 bytes of memory a byte.
pub const SPECIFICATION_BRACKETS_BYTES: usize = 256 << 10;
/// Sets, rules, alternatives, terms and expressions of one specification together. They take most of the memory
/// of a decoded one (some 200 bytes each), and the largest known specification has about a hundred.
pub const SPECIFICATION_PARTS: usize = 100_000;
/// Nesting of one specification; the format itself needs 12 levels.
pub const SPECIFICATION_DEPTH: usize = 32;
/// A configuration file of our own.
pub const CONFIG_BYTES: u64 = 256 << 10;
/// A pattern over image names; longer than any reference.
pub const IMAGE_PATTERN_BYTES: usize = 1024;
/// A cache file: a specification in its checked form, with its manifest's facts.
pub const CACHE_FILE_BYTES: u64 = 16 << 20;
/// What is kept of the worker's standard error.
pub const WORKER_STDERR_BYTES: usize = 4 << 10;
/// What the worker is asked: a repository, some digests or sockets, a number.
pub const WORKER_REQUEST_BYTES: u64 = 64 << 10;
/// The first line of the worker's answer: an outcome with its details and warnings.
pub const WORKER_HEADER_BYTES: u64 = 1 << 20;
/// The answer of a token service.
pub const TOKEN_BYTES: u64 = 1 << 20;
/// What is read of an error body to name the registry's reason.
pub const ERROR_BODY_BYTES: u64 = 64 << 10;
/// Descriptors in a referrers list, over all its pages.
pub const REFERRERS: usize = 1_000;
/// Pages of a referrers list.
pub const REFERRERS_PAGES: usize = 20;
/// Entries of a referrers list without a type, whose manifests are read to learn it.
pub const UNTYPED_REFERRERS: usize = 32;
/// `index.json` of a layout; an entry that `mirror` writes has about 600 bytes.
pub const LAYOUT_INDEX_BYTES: u64 = 16 << 20;
/// Manifests of a layout that are opened for one image. Entries that `mirror` wrote say what they are for, and of
/// those only the image's own are opened.
pub const LAYOUT_OPENED: usize = 1_000;
/// A list of images for `mirror`.
pub const IMAGE_LIST_BYTES: u64 = 4 << 20;
/// Answers to a registry's 401 for one request: a first token, and one more if that was not enough.
pub const AUTH_ROUNDS: usize = 2;
/// Challenges in one header that are looked at.
pub const AUTH_CHALLENGES: usize = 8;
/// An auth file: one entry for each registry and repository a node knows.
pub const AUTH_FILE_BYTES: u64 = 1 << 20;
/// What a credential helper may print.
pub const HELPER_OUTPUT_BYTES: u64 = 64 << 10;
/// How long a credential helper may take.
pub const HELPER_TIME: Duration = Duration::from_secs(2);
/// A file of certificates; a distribution's bundle of roots is about 220 KiB.
pub const CERTIFICATES_BYTES: u64 = 4 << 20;
/// Files of one configuration folder (registries.conf.d, a registry's certs.d) that are read.
pub const FOLDER_FILES: usize = 256;
/// The time for one errand of the tool to a registry: a person is waiting, and slow registries exist.
pub const TOOL_DEADLINE: Duration = Duration::from_secs(120);
/// Redirects for one request.
pub const REDIRECTS: usize = 3;
/// Files in /proc and /sys: one read; kernel configurations are about 300 KiB.
pub const HOST_FILE_BYTES: u64 = 8 << 20;
/// Entries of one directory in /sys. The largest known have some thousand (network interfaces, block devices).
pub const HOST_DIRECTORY_ENTRIES: usize = 65_536;
/// A node features file for `--features`.
pub const FEATURES_FILE_BYTES: u64 = 16 << 20;
/// Source text of one `varsTemplate`; NFD's own limit.
pub const TEMPLATE_BYTES: usize = 64 << 10;
/// Output of one `varsTemplate`.
pub const TEMPLATE_OUTPUT_BYTES: usize = 1 << 20;
/// Steps (nodes evaluated, elements produced) of one `varsTemplate`.
pub const TEMPLATE_STEPS: usize = 1_000_000;
/// What one of these steps is worth in [`EVALUATION_STEPS`]: a document with a hundred rules cannot run a hundred bombs.
pub const TEMPLATE_STEP_COST: usize = 10;
/// Bytes of all strings, lists and maps one `varsTemplate` makes, given back or not.
pub const TEMPLATE_MEMORY_BYTES: usize = 16 << 20;
/// Bytes of the matched elements one `varsTemplate` works on.
pub const TEMPLATE_DATA_BYTES: usize = 32 << 20;
/// Actions and parentheses inside each other in the text of a template; people write three or four.
pub const TEMPLATE_NESTING: usize = 100;
/// Actions and parentheses open while a template runs, over all templates it calls; bounds the stack.
pub const TEMPLATE_OPEN_ACTIONS: usize = 250;
/// Templates that call each other.
pub const TEMPLATE_CALL_DEPTH: usize = 64;
/// Lists inside lists, and how deep a value is printed, compared or copied.
pub const TEMPLATE_VALUE_DEPTH: usize = 64;
/// The compiled form of one pattern in a template.
pub const TEMPLATE_PATTERN_BYTES: usize = 1 << 20;
/// The line a refused start prints. runc keeps a hook's output in memory without a bound of its own.
pub const REFUSAL_BYTES: usize = 1024;
/// The time for one start when the policy sets none.
pub const DEFAULT_DEADLINE: Duration = Duration::from_secs(5);
/// The longest deadline a policy may set. The shipped hooks.d file kills the hook after 10 s, and a hook that is
/// killed leaves no reason anywhere.
pub const LONGEST_DEADLINE: Duration = Duration::from_secs(9);
/// One pattern of InRegexp. Real ones are below 200 bytes.
pub const PATTERN_BYTES: usize = 64 << 10;
/// Ranges in all character classes of one pattern (8 bytes each); `\pL` has 660.
pub const PATTERN_RANGES: usize = 1 << 18;
/// Code points looked at for case folding in one pattern; `(?i)\pL` looks at 123,000.
pub const PATTERN_FOLDED: usize = 4 << 20;
/// One compiled pattern. `\pL{500}` needs 11 MiB; real ones need some KiB.
pub const PATTERN_PROGRAM_BYTES: usize = 16 << 20;
/// All compiled patterns of one evaluation.
pub const PATTERNS_PROGRAM_BYTES: usize = 48 << 20;
/// Steps of one evaluation: elements looked at, values compared, states of a pattern for each byte of a text. Half a
/// second in the worst case; 50,000 expressions on a host with 200 devices need less than half of it.
pub const EVALUATION_STEPS: u64 = 20_000_000;
/// Names of elements that one row of a report shows.
pub const REPORT_NAMES: usize = 20;
/// One host value in a report.
pub const REPORT_VALUE_BYTES: usize = 1024;
/// One name in a report that many rows may repeat: a feature, or an element of the host.
pub const REPORT_NAME_BYTES: usize = 200;
/// Elements that the data of one `varsTemplate` may have; a kernel configuration has 10,000.
pub const TEMPLATE_ELEMENTS: usize = 50_000;
