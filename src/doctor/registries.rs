//! The registries that starts depend on: whether each answers, and as whom it is asked.
//!
//! Those of the images that were decided lately, and those that registries.conf names. Each is asked once, by the
//! worker, as a start would ask it: with root's configuration and credentials, confined, within a few seconds. What
//! comes back is only whether an answer came. No secret is printed; no file with secrets is quoted.

use std::collections::BTreeMap;
use std::time::Duration;

use super::records::lately;
use super::{Finding, Level};
use crate::audit::Record;
use crate::deadline::Deadline;
use crate::engine::Node;
use crate::files;
use crate::oci::{Digest, Reference, Repository};
use crate::paths::Paths;
use crate::policy::Policy;
use crate::registry::access::Options;
use crate::registry::auth::{self, Account, State};
use crate::registry::credential_helper;
use crate::registry::node_files::NodeFiles;
use crate::registry::registries_conf;
use crate::sanitize;
use crate::worker::process::Worker;
use crate::worker::protocol::{
    CredentialSources, FetchOutcome, FetchRequest, Unavailable, UnavailableKind,
};

/// Time for one registry: what a person waits, and more than one that is well needs.
const TIME: Duration = Duration::from_secs(3);
/// Most registries asked, and how many at once.
const MOST: usize = 12;
const AT_ONCE: usize = 4;
/// Asked of a registry of which no repository is known. Nobody has it, and every registry can say so.
const NOBODYS: &str = "imgcompat-doctor";

/// One registry to ask.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Question {
    repository: Repository,
    subject: Digest,
    /// True if images of it started lately; else only configuration speaks of it.
    used: bool,
}

/// Looks at credentials, and asks each registry unless `offline`.
pub fn examine(node: &Node, paths: &Paths, offline: bool) -> Vec<Finding> {
    let credential_sources =
        Policy::load(paths).map(|policy| policy.credentials).unwrap_or_default();
    let options = Options { files: node_files(node), credential_sources, ..Options::default() };
    let (questions, problem) = questions(&lately(paths), &options.files);
    let mut findings: Vec<Finding> = problem
        .iter()
        .map(|problem| unusable_configuration("registries", problem, is_root()))
        .collect();
    findings.extend(accounts(&questions, &options));
    let asked = !offline && node.is_running();
    for some in questions.chunks(AT_ONCE) {
        let answers: Vec<Option<Finding>> = std::thread::scope(|scope| {
            let sources = &options.credential_sources;
            let ask = |question| scope.spawn(move || asked.then(|| ask(question, sources)));
            let running: Vec<_> = some.iter().map(ask).collect();
            running.into_iter().map(|thread| thread.join().ok().flatten()).collect()
        });
        for (question, answer) in some.iter().zip(answers) {
            findings.push(with_credentials(question, answer, &options));
        }
    }
    if questions.is_empty() {
        let text =
            "none: no image of a registry was decided lately, and registries.conf names none";
        findings.push(Finding::ok("registries", text));
    } else if offline {
        findings.push(Finding::ok("registries", "not asked (--offline)"));
    }
    findings
}

/// As the worker looks for them.
fn node_files(node: &Node) -> NodeFiles {
    if node.is_running() { NodeFiles::default() } else { NodeFiles::of_root(&node.at("/")) }
}

/// The newest repository of each registry in the log, then what the configuration names; each registry once.
fn questions(records: &[Record], files: &NodeFiles) -> (Vec<Question>, Option<Unavailable>) {
    let mut questions: BTreeMap<String, Question> = BTreeMap::new();
    for record in records {
        let image = record.image.as_deref().unwrap_or_default().parse::<Reference>();
        let Some(repository) = image.ok().map(|image| image.repository).filter(|r| !r.is_local())
        else {
            continue;
        };
        let subject = record.judgements.iter().find_map(|judged| judged.artifact.subject.clone());
        let subject = subject.unwrap_or_else(|| Digest::of(NOBODYS.as_bytes()));
        let question = Question { repository, subject, used: true };
        questions.insert(question.repository.registry.clone(), question);
    }
    let (names, problem) = match registries_conf::names(files) {
        Ok(names) => (names, None),
        Err(problem) => (Vec::new(), Some(problem)),
    };
    for name in names {
        let Ok(reference) =
            format!("{}/{NOBODYS}", name.trim_end_matches('/')).parse::<Reference>()
        else {
            continue;
        };
        let repository = reference.repository;
        questions.entry(repository.registry.clone()).or_insert(Question {
            repository,
            subject: Digest::of(NOBODYS.as_bytes()),
            used: false,
        });
    }
    let mut questions: Vec<Question> = questions.into_values().collect();
    questions.sort_by_key(|question| !question.used);
    questions.truncate(MOST);
    (questions, problem)
}

fn ask(question: &Question, sources: &CredentialSources) -> Finding {
    let request = FetchRequest {
        repository: question.repository.clone(),
        subjects: vec![question.subject.clone()],
        deadline_ms: u64::try_from(TIME.as_millis()).unwrap_or(u64::MAX),
        credentials: sources.clone(),
    };
    // A little more than the worker itself takes, so that its own words arrive.
    let deadline = Deadline::after(TIME + Duration::from_secs(1));
    match Worker::of_this_program().fetch(&request, &deadline) {
        Ok(FetchOutcome::Unavailable(unavailable)) => failed(question, &unavailable),
        Ok(_) => Finding::ok("registries", format!("{} answers", question.repository.registry)),
        Err(error) => {
            let text = format!("{} cannot be asked: {error}", question.repository.registry);
            Finding::problem("registries", sanitize::bounded_line(&text, 300), "sudo ./install.sh")
        }
    }
}

/// A registry of running images that gives no answer leaves starts to policy; one that is only configured, none yet.
fn failed(question: &Question, unavailable: &Unavailable) -> Finding {
    let registry = &question.repository.registry;
    let strangers = question.repository.path.ends_with(NOBODYS);
    if strangers && unavailable.kind == UnavailableKind::Denied {
        let text = format!("{registry} answers (it shows what it has to whom it knows)");
        return Finding::ok("registries", text);
    }
    let detail = sanitize::bounded_line(&unavailable.detail, 400);
    let (level, text) = if question.used {
        (Level::Problem, format!("{registry} gives no answer, so policy decides: {detail}"))
    } else {
        (Level::Warning, format!("{registry} gives no answer: {detail}"))
    };
    let remedy = Some(remedy(registry, unavailable.kind));
    Finding { level, subject: "registries".to_owned(), finding: text, remedy }
}

fn remedy(registry: &str, kind: UnavailableKind) -> String {
    let host = registry.split(':').next().unwrap_or(registry);
    match kind {
        UnavailableKind::Name => format!("getent hosts {host}"),
        UnavailableKind::Tls => {
            format!(
                "put the certificate of its authority into /etc/containers/certs.d/{registry}/ca.crt"
            )
        }
        UnavailableKind::Denied => {
            format!("podman login --authfile /root/.config/containers/auth.json {registry}")
        }
        UnavailableKind::RateLimited => {
            "give root credentials for it, or a mirror in registries.conf".to_owned()
        }
        UnavailableKind::Configuration | UnavailableKind::Blocked => {
            "mend the file that is named".to_owned()
        }
        _ => format!("curl -sS -o /dev/null https://{registry}/v2/"),
    }
}

/// What was found about the registry, and as whom it is asked.
fn with_credentials(question: &Question, asked: Option<Finding>, options: &Options) -> Finding {
    let registry = &question.repository.registry;
    let finding =
        asked.unwrap_or_else(|| Finding::ok("registries", format!("{registry} (not asked)")));
    let accounts = auth::accounts(&question.repository, options).unwrap_or_default();
    let whose = match accounts.iter().find(|account| account.speaks_of_it) {
        Some(account) => format!("with those of {}", account.place),
        None => "without credentials".to_owned(),
    };
    Finding { finding: format!("{}; asked {whose}", finding.finding), ..finding }
}

/// Every place with credentials that one of the registries is looked up in, once; those that are not there are no
/// finding.
fn accounts(questions: &[Question], options: &Options) -> Vec<Finding> {
    let nobodys = Question {
        repository: Repository { registry: "localhost".to_owned(), path: NOBODYS.to_owned() },
        subject: Digest::of(NOBODYS.as_bytes()),
        used: false,
    };
    let mut places: BTreeMap<String, Account> = BTreeMap::new();
    for question in questions.iter().chain([&nobodys]) {
        match auth::accounts(&question.repository, options) {
            Ok(accounts) => {
                places.extend(accounts.into_iter().map(|account| (account.place.clone(), account)));
            }
            Err(problem) => {
                return vec![unusable_configuration("credentials", &problem, is_root())];
            }
        }
    }
    let findings: Vec<Finding> =
        places.into_values().flat_map(|account| about(account, &options.files)).collect();
    if findings.is_empty() {
        return vec![Finding::ok("credentials", "none: registries are asked without")];
    }
    findings
}

fn about(account: Account, files: &NodeFiles) -> Vec<Finding> {
    let place = account.place;
    match account.state {
        State::Absent => Vec::new(),
        State::Program => vec![Finding::ok("credentials", place)],
        State::Unusable(problem) => {
            let text =
                format!("no registry can be asked: {}", sanitize::bounded_line(&problem, 400));
            vec![Finding::problem("credentials", text, format!("mend or remove {place}"))]
        }
        State::File { helpers, everyone_can_read, .. } => {
            let mut findings = vec![if everyone_can_read {
                let text = format!("{place} can be read by others than root");
                Finding::warning("credentials", text, format!("chmod 600 {place}"))
            } else {
                Finding::ok("credentials", place.clone())
            }];
            findings.extend(helpers.iter().filter_map(|name| helper(&place, name, files)));
            findings
        }
    }
}

/// A helper that a file names and that is not run.
fn helper(file: &str, name: &str, files: &NodeFiles) -> Option<Finding> {
    let trusted = std::fs::metadata(file).is_ok_and(|metadata| files::is_trusted(&metadata));
    let problem = if trusted {
        credential_helper::program(name, files).err()?
    } else {
        "others than root can change that file".to_owned()
    };
    let name = sanitize::bounded_line(name, 100);
    let text = format!(
        "{file} names the credential helper {name}, which is not run, so its registries are not asked: {problem}"
    );
    let remedy = format!("install it as root's, or take it out of {file}");
    Some(Finding::problem("credentials", text, remedy))
}

fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

fn unusable_configuration(subject: &str, problem: &Unavailable, as_root: bool) -> Finding {
    let text = sanitize::bounded_line(&problem.detail, 400);
    let text = format!("no registry can be asked: {text}");
    if as_root {
        Finding::problem(subject, text, "mend that file")
    } else {
        // The file may be in order: it is root's, and root reads it.
        Finding::warning(subject, text, "sudo imgcompat doctor")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Level;
    use crate::registry::failure::unavailable;

    #[test]
    fn only_root_is_told_to_mend_roots_files() {
        let problem = unavailable(UnavailableKind::Configuration, "registries.conf: denied");
        assert_eq!(unusable_configuration("registries", &problem, true).level, Level::Problem);
        let another = unusable_configuration("registries", &problem, false);
        assert_eq!(another.level, Level::Warning);
        assert_eq!(another.remedy.as_deref(), Some("sudo imgcompat doctor"));
    }
}
