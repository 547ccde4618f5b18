//! Semantic versions and constraints on them.
//!
//! Rule: Masterminds/semver 3.5.0 (`version.go`, `constraints.go`), whose own regular expressions are used here. Methods
//! with arguments (`.Compare`) and those that change a version are not supported.

use std::cmp::Ordering;
use std::rc::Rc;

use super::regex::{Found, compiled, find_all, find_from};
use crate::rules::template::arguments::Arguments;
use crate::rules::template::heap::Heap;
use crate::rules::template::semantic_version::SemanticVersion;
use crate::rules::template::value::{Fault, Value, failed};

const VERSION: &str = r"^v?([0-9]+)(\.[0-9]+)?(\.[0-9]+)?(-([0-9A-Za-z\-]+(\.[0-9A-Za-z\-]+)*))?(\+([0-9A-Za-z\-]+(\.[0-9A-Za-z\-]+)*))?$";
const CONSTRAINT_VERSION: &str = r"v?([0-9|x|X|\*]+)(\.[0-9|x|X|\*]+)?(\.[0-9|x|X|\*]+)?(-([0-9A-Za-z\-]+(\.[0-9A-Za-z\-]+)*))?(\+([0-9A-Za-z\-]+(\.[0-9A-Za-z\-]+)*))?";
const OPERATORS: &str = r"=||!=|>|<|>=|=>|<=|=<|~|~>|\^";
/// The library's bounds.
const VERSION_BYTES: usize = 256;
const CONSTRAINT_BYTES: usize = 512;
const CONSTRAINT_GROUPS: usize = 32;

impl SemanticVersion {
    fn parse(heap: &Heap, text: &str) -> Result<SemanticVersion, Fault> {
        if text.len() > VERSION_BYTES {
            return failed("the version is too long");
        }
        let Some(found) = find_from(heap, compiled(heap, VERSION)?.as_ref(), text, 0)? else {
            return failed("invalid semantic version");
        };
        let number = |index: usize| {
            let digits = found.text(text, index).trim_start_matches('.');
            if digits.is_empty() { Some(0) } else { digits.parse::<u64>().ok() }
        };
        let parts = number(1).zip(number(2)).zip(number(3));
        let Some(((major, minor), patch)) = parts else {
            return failed("a number of the version is too large");
        };
        let prerelease = found.text(text, 5).to_owned();
        let leading_zero = |part: &str| {
            part.len() > 1 && part.starts_with('0') && part.bytes().all(|b| b.is_ascii_digit())
        };
        if prerelease.split('.').any(leading_zero) {
            return failed("a number of the prerelease starts with 0");
        }
        let metadata = found.text(text, 8).to_owned();
        Ok(SemanticVersion { major, minor, patch, prerelease, metadata, original: text.to_owned() })
    }

    /// What `.name` gives in a template.
    pub fn field(&self, heap: &Heap, name: &str) -> Result<Value, Fault> {
        match name {
            "Major" => Ok(Value::Uint64(self.major)),
            "Minor" => Ok(Value::Uint64(self.minor)),
            "Patch" => Ok(Value::Uint64(self.patch)),
            "Prerelease" => heap.text(&self.prerelease),
            "Metadata" => heap.text(&self.metadata),
            "Original" => heap.text(&self.original),
            "String" => heap.text(self.to_string()),
            _ => failed(format!("a version has no field {name:?} here")),
        }
    }
}

/// One comparison of a constraint.
struct Comparison {
    operator: String,
    version: SemanticVersion,
    /// A part is missing or `x`.
    open: bool,
    minor_open: bool,
    patch_open: bool,
}

impl Comparison {
    fn parse(heap: &Heap, text: &str) -> Result<Comparison, Fault> {
        let pattern = format!(r"^\s*({OPERATORS})\s*({CONSTRAINT_VERSION})\s*$");
        let Some(found) = find_from(heap, compiled(heap, &pattern)?.as_ref(), text, 0)? else {
            return failed("improper constraint");
        };
        let part = |index: usize| found.text(text, index);
        let is_open = |part: &str| matches!(part.trim_start_matches('.'), "" | "x" | "X" | "*");
        let (major, minor, patch, suffix) = (part(3), part(4), part(5), part(6));
        let major_open = is_open(major);
        let minor_open = !major_open && is_open(minor);
        let patch_open = !major_open && !minor_open && is_open(patch);
        let written = match () {
            () if major_open => format!("0.0.0{suffix}"),
            () if minor_open => format!("{major}.0.0{suffix}"),
            () if patch_open => format!("{major}{minor}.0{suffix}"),
            () => part(2).to_owned(),
        };
        let open = major_open || minor_open || patch_open;
        let version = SemanticVersion::parse(heap, &written)?;
        Ok(Comparison { operator: part(1).to_owned(), version, open, minor_open, patch_open })
    }

    fn accepts(&self, version: &SemanticVersion) -> bool {
        let order = version.compare(&self.version);
        match self.operator.as_str() {
            "!=" => self.differs(version, order),
            ">" => self.is_less_than(version, order),
            "<" => order == Ordering::Less,
            ">=" | "=>" => order != Ordering::Less,
            "<=" | "=<" => self.is_at_least(version, order),
            "~" | "~>" => self.tilde(version, order),
            "^" => self.caret(version, order),
            _ if self.open => self.tilde(version, order),
            _ => order == Ordering::Equal,
        }
    }

    fn differs(&self, version: &SemanticVersion, order: Ordering) -> bool {
        if !self.open {
            return order != Ordering::Equal;
        }
        if self.version.major != version.major {
            return true;
        }
        if self.minor_open {
            return false;
        }
        if self.version.minor != version.minor {
            return true;
        }
        if self.patch_open {
            return version.prerelease != self.version.prerelease;
        }
        self.version.patch != version.patch || order != Ordering::Equal
    }

    fn is_less_than(&self, version: &SemanticVersion, order: Ordering) -> bool {
        if !self.open || version.major != self.version.major {
            return order == Ordering::Greater;
        }
        match (self.minor_open, self.patch_open) {
            (true, _) => false,
            (_, true) => version.minor > self.version.minor,
            _ => order == Ordering::Greater,
        }
    }

    fn is_at_least(&self, version: &SemanticVersion, order: Ordering) -> bool {
        if !self.open {
            return order != Ordering::Greater;
        }
        let minor_exceeds = version.minor > self.version.minor && !self.minor_open;
        version.major < self.version.major || version.major == self.version.major && !minor_exceeds
    }

    fn tilde(&self, version: &SemanticVersion, order: Ordering) -> bool {
        let wanted = &self.version;
        let any = wanted.major == 0 && wanted.minor == 0 && wanted.patch == 0;
        if order == Ordering::Less {
            return false;
        }
        if any && !self.minor_open && !self.patch_open {
            return true;
        }
        version.major == wanted.major && (self.minor_open || version.minor == wanted.minor)
    }

    fn caret(&self, version: &SemanticVersion, order: Ordering) -> bool {
        let wanted = &self.version;
        if order == Ordering::Less || version.major != wanted.major {
            return false;
        }
        if wanted.major > 0 || self.minor_open {
            return true;
        }
        if wanted.minor > 0 || self.patch_open {
            return version.minor == wanted.minor;
        }
        version.minor == 0 && version.patch == wanted.patch
    }
}

/// `a - b` is `>= a, <= b`.
fn without_ranges(heap: &Heap, text: &str) -> Result<String, Fault> {
    let pattern = format!(r"\s*({CONSTRAINT_VERSION})\s+-\s+({CONSTRAINT_VERSION})\s*");
    let mut rewritten = text.to_owned();
    for found in find_all(heap, compiled(heap, &pattern)?.as_ref(), text, None)? {
        let range = format!(">= {}, <= {} ", found.text(text, 1), found.text(text, 11));
        rewritten = rewritten.replacen(found.text(text, 0), &range, 1);
    }
    Ok(rewritten)
}

fn group(heap: &Heap, text: &str) -> Result<Vec<Comparison>, Fault> {
    let (operators, version) = (OPERATORS, CONSTRAINT_VERSION);
    let valid = format!(
        r"^(\s*({operators})\s*({version})\s*)((?:\s+|,\s*)({operators})\s*({version})\s*)*$"
    );
    if find_from(heap, compiled(heap, &valid)?.as_ref(), text, 0)?.is_none() {
        return failed("improper constraint");
    }
    let each = compiled(heap, &format!(r"({operators})\s*({version})"))?;
    let found: Vec<Found> = find_all(heap, &each, text, None)?;
    found.iter().map(|found| Comparison::parse(heap, found.text(text, 0))).collect()
}

fn text_of<'a>(arguments: Arguments<'a>, index: usize) -> Result<&'a str, Fault> {
    match std::str::from_utf8(arguments.text(index)) {
        Ok(text) => Ok(text),
        Err(_) => failed("invalid semantic version"),
    }
}

/// `semver text`
pub fn semver(heap: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    heap.charge(2 * VERSION_BYTES)?;
    Ok(Value::Version(Rc::new(SemanticVersion::parse(heap, text_of(arguments, 0)?)?)))
}

/// `semverCompare constraint version`
pub fn compare(heap: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    let constraint = text_of(arguments, 0)?;
    if constraint.len() > CONSTRAINT_BYTES {
        return failed("the constraint is too long");
    }
    let constraint = without_ranges(heap, constraint)?;
    let groups: Vec<&str> = constraint.split("||").collect();
    if groups.len() > CONSTRAINT_GROUPS {
        return failed("the constraint has too many groups");
    }
    let groups = groups.into_iter().map(|text| group(heap, text));
    let groups = groups.collect::<Result<Vec<Vec<Comparison>>, Fault>>()?;
    let version = SemanticVersion::parse(heap, text_of(arguments, 1)?)?;
    let accepted = groups.iter().any(|group| {
        let asks_prereleases = group.iter().any(|each| !each.version.prerelease.is_empty());
        (version.prerelease.is_empty() || asks_prereleases)
            && group.iter().all(|comparison| comparison.accepts(&version))
    });
    Ok(Value::Bool(accepted))
}
