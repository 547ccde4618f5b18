//! Policy files: the vendor's, the administrator's, and drop-ins, later ones over earlier ones.
//!
//! Every key is optional; unknown keys and bad values are errors with file, line and column. Lists of tables
//! (`[[image]]`, `[[override]]`) add up: those of a file read later are looked at first, so that a drop-in can
//! overrule the main file; within a file the first match wins.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::duration;
pub use super::expiry::Expiry;
use super::outcome::{Action, DEFAULTS};
use super::sources::{ConfigError, config_files, read_trusted};
use crate::artifact::CacheTimes;
use crate::image::ImagePattern;
use crate::image::NotJudged;
use crate::limits;
use crate::oci::Digest;
use crate::paths::Paths;
use crate::worker::protocol::CredentialSources;

/// What the hook does with a "deny".
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Refuse the start.
    #[default]
    Enforce,
    /// Allow it, and record that it would have been refused.
    Audit,
    /// Do not judge at all.
    Off,
}

impl Mode {
    /// The stable word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Mode::Enforce => "enforce",
            Mode::Audit => "audit",
            Mode::Off => "off",
        }
    }
}

/// Which table of defaults applies.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// Deny on a real answer, allow on an outage.
    #[default]
    Default,
    /// Deny everything but `compatible`.
    Strict,
}

/// What one file may say.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct ConfigFile {
    mode: Option<Mode>,
    profile: Option<Profile>,
    #[serde(default, with = "duration")]
    deadline: Option<Duration>,
    include: Option<Vec<NotJudged>>,
    #[serde(default)]
    on: Outcomes,
    #[serde(default)]
    artifacts: ArtifactsSection,
    #[serde(default)]
    cache: CacheSection,
    #[serde(default)]
    credentials: CredentialSources,
    #[serde(default)]
    runtime: RuntimeSection,
    #[serde(default)]
    image: Vec<ImageEntry>,
    #[serde(default)]
    exempt: Vec<Exempt>,
    #[serde(default, rename = "override")]
    overrides: Vec<Override>,
}

/// Outcome to action.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<String, Action>", into = "BTreeMap<String, Action>")]
pub struct Outcomes(BTreeMap<String, Action>);

impl TryFrom<BTreeMap<String, Action>> for Outcomes {
    type Error = String;

    fn try_from(map: BTreeMap<String, Action>) -> Result<Self, Self::Error> {
        let known = || DEFAULTS.iter().map(|(verdict, _)| verdict.outcome());
        match map.keys().find(|key| !known().any(|outcome| outcome == key.as_str())) {
            Some(key) => {
                let list: Vec<&str> = known().collect();
                Err(format!("`{key}` is no outcome; the outcomes are {}", list.join(", ")))
            }
            None => Ok(Outcomes(map)),
        }
    }
}

impl From<Outcomes> for BTreeMap<String, Action> {
    fn from(outcomes: Outcomes) -> Self {
        outcomes.0
    }
}

#[derive(Debug, Default, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct ArtifactsSection {
    layout: Option<PathBuf>,
}

#[derive(Debug, Default, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct CacheSection {
    #[serde(default, with = "duration")]
    artifact: Option<Duration>,
    #[serde(default, with = "duration")]
    none: Option<Duration>,
    #[serde(default, with = "duration")]
    stale: Option<Duration>,
}

/// `[runtime]`: what the wrapper runtime becomes.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RuntimeSection {
    /// The real runtime; without it, runc or crun is looked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
}

/// `[[image]]`: what applies to images of some name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ImageEntry {
    /// Which images.
    #[serde(rename = "match")]
    pub pattern: ImagePattern,
    /// Their mode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// Their profile; it puts the general `[on]` aside for them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<Profile>,
    /// Only compatibility sets with one of these tags count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<String>>,
    /// Their outcomes.
    #[serde(default)]
    pub on: Outcomes,
}

/// `[[exempt]]`: pods that are what makes a node a node. What they start is judged and recorded, and never refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Exempt {
    /// Their Kubernetes namespace, as the engine's records have it.
    pub namespace: String,
}

/// `[[override]]`: an administrator's exception, with a reason and an end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Override {
    /// Which images, by name …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<ImagePattern>,
    /// … or by a digest: of the image id, a manifest, or an index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// What happens to them.
    pub action: Action,
    /// Why; stands in every decision it changes.
    pub reason: String,
    /// When it ends: a date (through the end of that day, UTC) or an RFC 3339 time.
    pub until: Expiry,
}

impl Override {
    /// True if it is for this image and has not expired.
    pub fn applies(&self, names: &[&str], digests: &[&Digest], now: OffsetDateTime) -> bool {
        let named = self.image.as_ref().is_some_and(|pattern| pattern.matches_any(names));
        let digested = self.digest.as_ref().is_some_and(|digest| digests.contains(&digest));
        (named || digested) && now <= self.until.at()
    }

    #[cfg(test)]
    pub(crate) fn for_test(pattern: &str, action: Action, reason: &str) -> Self {
        let until = Expiry::try_from("2999-12-31".to_owned()).unwrap();
        let image = Some(ImagePattern::try_from(pattern.to_owned()).unwrap());
        Override { image, digest: None, action, reason: reason.to_owned(), until }
    }
}

fn as_text<S: serde::Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&duration::format(*duration))
}

/// The cache's lifetimes as `config show` prints them.
fn times_as_text<S: serde::Serializer>(
    times: &CacheTimes,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    use serde::ser::SerializeMap;
    let mut map = serializer.serialize_map(Some(3))?;
    for (name, time) in [("artifact", times.artifact), ("none", times.none), ("stale", times.stale)]
    {
        map.serialize_entry(name, &duration::format(time))?;
    }
    map.end()
}

/// `[artifacts]`: where specifications come from besides registries.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ArtifactSources {
    /// An OCI image layout that is looked into first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layout: Option<PathBuf>,
}

/// All files together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Policy {
    /// The mode where no entry says otherwise.
    pub mode: Mode,
    /// The profile where no entry says otherwise.
    pub profile: Profile,
    /// The time for one start.
    #[serde(serialize_with = "as_text")]
    pub deadline: Duration,
    /// Kinds of containers that are judged although they carry no image of their own.
    pub include: Vec<NotJudged>,
    /// Outcomes that differ from the profile.
    pub on: Outcomes,
    /// Where specifications come from besides registries.
    pub artifacts: ArtifactSources,
    /// How long answers are trusted.
    #[serde(serialize_with = "times_as_text")]
    pub cache: CacheTimes,
    /// Where credentials are besides the usual places.
    pub credentials: CredentialSources,
    /// What the wrapper runtime becomes.
    pub runtime: RuntimeSection,
    /// Entries by image, in the order they are looked at.
    pub image: Vec<ImageEntry>,
    /// Pods that nothing is refused to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exempt: Vec<Exempt>,
    /// Exceptions, in the order they are looked at.
    #[serde(rename = "override")]
    pub overrides: Vec<Override>,
    /// The files this came from, in reading order.
    #[serde(skip)]
    pub files: Vec<PathBuf>,
}

impl Default for Policy {
    fn default() -> Self {
        Policy {
            mode: Mode::default(),
            profile: Profile::default(),
            deadline: limits::DEFAULT_DEADLINE,
            include: Vec::new(),
            on: Outcomes::default(),
            artifacts: ArtifactSources::default(),
            cache: CacheTimes::default(),
            credentials: CredentialSources::default(),
            runtime: RuntimeSection::default(),
            image: Vec::new(),
            exempt: Vec::new(),
            overrides: Vec::new(),
            files: Vec::new(),
        }
    }
}

/// What applies to one image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EffectivePolicy {
    /// Enforce, audit or off.
    pub mode: Mode,
    /// Which defaults.
    pub profile: Profile,
    /// Outcomes that differ from the profile.
    pub on: BTreeMap<String, Action>,
    /// Only sets with one of these tags count.
    pub tags: Option<Vec<String>>,
    /// The exception that applies.
    pub overridden: Option<Override>,
    /// The patterns of the entries that applied, for the record.
    pub entries: Vec<String>,
}

impl Policy {
    /// Reads all files of a node. Missing files are skipped; the first error stops.
    pub fn load(paths: &Paths) -> Result<Self, ConfigError> {
        Policy::read(config_files(paths)?, read_trusted)
    }

    /// The policy as it would be with `text` in the drop-in file `name`.
    pub fn load_with(paths: &Paths, name: &str, text: &str) -> Result<Self, ConfigError> {
        let candidate = paths.config_dir().join(name);
        let mut files = config_files(paths)?;
        files.retain(|file| *file != candidate);
        let main = [paths.vendor_config(), paths.config()];
        let after = |file: &PathBuf| !main.contains(file) && *file > candidate;
        let place = files.iter().position(after).unwrap_or(files.len());
        files.insert(place, candidate.clone());
        Policy::read(files, |file| {
            if *file == candidate { Ok(Some(text.to_owned())) } else { read_trusted(file) }
        })
    }

    fn read(
        files: Vec<PathBuf>,
        content: impl Fn(&Path) -> Result<Option<String>, ConfigError>,
    ) -> Result<Self, ConfigError> {
        let mut policy = Policy::default();
        for file in files {
            if let Some(text) = content(&file)? {
                policy.add(parse(&file, &text)?);
                policy.files.push(file);
            }
        }
        Ok(policy)
    }

    /// Puts one file over what was read before.
    fn add(&mut self, file: ConfigFile) {
        self.mode = file.mode.unwrap_or(self.mode);
        self.profile = file.profile.unwrap_or(self.profile);
        self.deadline = file.deadline.unwrap_or(self.deadline);
        self.include = file.include.unwrap_or_else(|| std::mem::take(&mut self.include));
        self.on.0.extend(file.on.0);
        if let Some(layout) = file.artifacts.layout {
            // A drop-in takes a layout away with an empty name.
            self.artifacts.layout = Some(layout).filter(|path| !path.as_os_str().is_empty());
        }
        self.cache.artifact = file.cache.artifact.unwrap_or(self.cache.artifact);
        self.cache.none = file.cache.none.unwrap_or(self.cache.none);
        self.cache.stale = file.cache.stale.unwrap_or(self.cache.stale);
        self.add_credentials(file.credentials);
        self.runtime.path = file.runtime.path.or_else(|| self.runtime.path.take());
        self.image.splice(0..0, file.image);
        self.exempt.extend(file.exempt);
        self.overrides.splice(0..0, file.overrides);
    }

    /// Key by key; a drop-in takes one away with an empty name.
    fn add_credentials(&mut self, later: CredentialSources) {
        let put = |mine: &mut Option<PathBuf>, theirs: Option<PathBuf>| {
            if let Some(path) = theirs {
                *mine = Some(path).filter(|path| !path.as_os_str().is_empty());
            }
        };
        put(&mut self.credentials.authfile, later.authfile);
        put(&mut self.credentials.kubelet_provider_config, later.kubelet_provider_config);
        put(&mut self.credentials.kubelet_provider_bin_dir, later.kubelet_provider_bin_dir);
    }

    /// What applies to an image with these names and digests, now.
    pub fn for_image(
        &self,
        names: &[&str],
        digests: &[&Digest],
        now: OffsetDateTime,
    ) -> EffectivePolicy {
        let entries: Vec<&ImageEntry> =
            self.image.iter().filter(|entry| entry.pattern.matches_any(names)).collect();
        let profile = entries.iter().find_map(|entry| entry.profile);
        let mut on = if profile.is_none() { self.on.0.clone() } else { BTreeMap::new() };
        for entry in entries.iter().rev() {
            on.extend(entry.on.0.clone());
        }
        EffectivePolicy {
            mode: entries.iter().find_map(|entry| entry.mode).unwrap_or(self.mode),
            profile: profile.unwrap_or(self.profile),
            on,
            tags: entries.iter().find_map(|entry| entry.tags.clone()),
            overridden: self.overrides.iter().find(|o| o.applies(names, digests, now)).cloned(),
            entries: entries.iter().map(|entry| entry.pattern.to_string()).collect(),
        }
    }
}

/// What applies in a pod's namespace as well: in an exempt one, what would be enforced is audited.
impl EffectivePolicy {
    /// The policy for an image that starts in a pod of that namespace.
    pub fn in_namespace(mut self, policy: &Policy, namespace: Option<&str>) -> Self {
        let exempt = policy.exempt.iter().find(|e| Some(e.namespace.as_str()) == namespace);
        if let Some(exempt) = exempt.filter(|_| self.mode == Mode::Enforce) {
            self.mode = Mode::Audit;
            self.entries.push(format!("exempt namespace {}", exempt.namespace));
        }
        self
    }
}

fn parse(file: &Path, text: &str) -> Result<ConfigFile, ConfigError> {
    let invalid = |span: Option<std::ops::Range<usize>>, message: String| {
        ConfigError::at(file, text, span.map_or(0, |span| span.start), message)
    };
    let parsed: ConfigFile =
        toml::from_str(text).map_err(|e| invalid(e.span(), e.message().trim().to_owned()))?;
    check(&parsed).map_err(|(key, message)| {
        let at = text.find(key);
        invalid(at.map(|start| start..start), message)
    })?;
    Ok(parsed)
}

/// What types cannot say.
fn check(file: &ConfigFile) -> Result<(), (&'static str, String)> {
    if file.deadline.is_some_and(|d| d.is_zero() || d > limits::LONGEST_DEADLINE) {
        let longest = duration::format(limits::LONGEST_DEADLINE);
        return Err((
            "deadline",
            format!(
                "the deadline must be above 0 and at most {longest}: the engine kills the hook after 10s, and a killed hook leaves no reason"
            ),
        ));
    }
    let layout = file.artifacts.layout.as_deref();
    if layout.is_some_and(|path| path.is_relative() && !path.as_os_str().is_empty()) {
        return Err(("layout", "the layout must be an absolute path".to_owned()));
    }
    if file.runtime.path.as_ref().is_some_and(|path| !path.is_absolute()) {
        return Err(("path", "the runtime's path must be absolute".to_owned()));
    }
    if file.exempt.iter().any(|entry| entry.namespace.trim().is_empty()) {
        return Err(("[[exempt]]", "an exemption names a namespace".to_owned()));
    }
    for entry in &file.overrides {
        if entry.image.is_some() == entry.digest.is_some() {
            return Err((
                "[[override]]",
                "an override names either `image` or `digest`".to_owned(),
            ));
        }
        if entry.reason.trim().is_empty() {
            return Err(("[[override]]", "an override needs a reason".to_owned()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
