//! Files in, policy out: merging, precedence, and errors as whole texts.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use time::format_description::well_known::Rfc3339;

use super::*;

fn node(files: &[(&str, &str)]) -> (tempfile::TempDir, Paths) {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let paths = Paths::below(dir.path());
    (dir, paths)
}

fn load(files: &[(&str, &str)]) -> Result<Policy, ConfigError> {
    let (_dir, paths) = node(files);
    Policy::load(&paths)
}

const MAIN: &str = "etc/imgcompat/config.toml";

fn now() -> OffsetDateTime {
    OffsetDateTime::parse("2026-11-24T12:00:00Z", &Rfc3339).unwrap()
}

#[test]
fn a_node_without_files_enforces_the_defaults() {
    assert_eq!(load(&[]).unwrap(), Policy::default());
}

#[test]
fn later_files_win_key_by_key() {
    let policy = load(&[
        (
            "usr/share/imgcompat/config.toml",
            "mode = 'audit'\ndeadline = '3s'\n[cache]\nnone = '1m'\n",
        ),
        (MAIN, "mode = 'enforce'\n[on]\nregistry-unavailable = 'deny'\n"),
        (
            "etc/imgcompat/config.d/20-b.toml",
            "[on]\nno-artifact = 'deny'\n[cache]\nartifact = '2h'\n",
        ),
        ("etc/imgcompat/config.d/10-a.toml", "mode = 'off'\n"),
        ("etc/imgcompat/config.d/README", "not read"),
    ])
    .unwrap();
    assert_eq!(policy.mode, Mode::Off);
    assert_eq!(policy.deadline, Duration::from_secs(3));
    assert_eq!(policy.on.0.len(), 2);
    assert_eq!(policy.cache.none, Duration::from_secs(60));
    assert_eq!(policy.cache.artifact, Duration::from_secs(7200));
    assert_eq!(policy.files.len(), 4);
}

#[test]
fn the_first_matching_entry_wins_and_unset_keys_fall_through() {
    let policy = load(&[
        (
            MAIN,
            "[[image]]\nmatch = 'r.example/prod/**'\nmode = 'audit'\n\
             [[image]]\nmatch = '**'\nmode = 'off'\ntags = ['gpu']\n[image.on]\nno-artifact = 'deny'\n",
        ),
        ("etc/imgcompat/config.d/x.toml", "[[image]]\nmatch = 'r.example/prod/db'\nmode = 'enforce'\n"),
    ])
    .unwrap();
    let effective = |name: &str| policy.for_image(&[name], &[], now());
    let db = effective("r.example/prod/db:1");
    assert_eq!(db.mode, Mode::Enforce);
    assert_eq!(db.tags.as_deref(), Some(&["gpu".to_owned()][..]));
    assert_eq!(db.entries, ["r.example/prod/db", "r.example/prod/**", "**"]);
    assert_eq!(effective("r.example/prod/web:1").mode, Mode::Audit);
    assert_eq!(effective("other.example/x").on.get("no-artifact"), Some(&Action::Deny));
}

#[test]
fn a_profile_of_an_entry_puts_the_general_outcomes_aside() {
    let text = "[on]\nregistry-unavailable = 'allow'\n[[image]]\nmatch = 'r.example/**'\nprofile = 'strict'\n";
    let policy = load(&[(MAIN, text)]).unwrap();
    assert!(policy.for_image(&["r.example/a"], &[], now()).on.is_empty());
    assert!(!policy.for_image(&["other.example/a"], &[], now()).on.is_empty());
}

#[test]
fn an_override_ends() {
    let digest = Digest::of(b"x");
    let text = format!(
        "[[override]]\nimage = 'r.example/a'\naction = 'allow'\nreason = 'ticket 7'\nuntil = '2026-11-24'\n\
         [[override]]\ndigest = '{digest}'\naction = 'deny'\nreason = 'recalled'\nuntil = '2026-11-24T11:00:00Z'\n"
    );
    let policy = load(&[(MAIN, &text)]).unwrap();
    let by_name = policy.for_image(&["r.example/a:1"], &[], now()).overridden;
    assert_eq!(by_name.map(|o| o.reason).as_deref(), Some("ticket 7"));
    assert_eq!(policy.for_image(&["r.example/b"], &[&digest], now()).overridden, None);
    let tomorrow = now() + Duration::from_secs(86_400);
    assert_eq!(policy.for_image(&["r.example/a:1"], &[], tomorrow).overridden, None);
}

#[test]
fn mistakes_are_named_with_their_place() {
    let table = [
        ("mode = 'enforce'\nmod = 'x'\n", "config.toml:2:1: unknown field `mod`"),
        ("mode = 'enforced'\n", "config.toml:1:8: unknown variant `enforced`"),
        ("deadline = '5 s'\n", "config.toml:1:12: `5 s` is not a duration"),
        (
            "mode = 'audit'\ndeadline = '1h'\n",
            "config.toml:2:1: the deadline must be above 0 and at most 9s",
        ),
        ("[on]\nregistry-down = 'deny'\n", "`registry-down` is no outcome"),
        ("[[image]]\nmatch = ''\n", "config.toml:2:9: `` is not an image pattern"),
        ("[[image]]\nmode = 'off'\n", "missing field `match`"),
        ("mode = \n", "config.toml:1:"),
        ("[[override]]\naction = 'allow'\nreason = 'r'\nuntil = '2026-13-01'\n", "is not a time"),
        (
            "[[override]]\naction = 'allow'\nreason = 'r'\nuntil = '2026-12-01'\n",
            "either `image` or `digest`",
        ),
    ];
    for (text, expected) in table {
        let error = load(&[(MAIN, text)]).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}\n  should contain {expected}");
    }
}

#[test]
fn a_file_that_others_can_write_is_refused() {
    let (dir, paths) = node(&[(MAIN, "mode = 'off'\n")]);
    let file = dir.path().join(MAIN);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).unwrap();
    assert!(matches!(Policy::load(&paths), Err(ConfigError::Untrusted(_))));
}

#[test]
fn a_layout_is_an_absolute_path_that_a_drop_in_can_take_away() {
    let set = (MAIN, "[artifacts]\nlayout = '/var/lib/imgcompat/layout'\n");
    let layout = |files: &[(&str, &str)]| load(files).unwrap().artifacts.layout;
    assert_eq!(layout(&[set]), Some("/var/lib/imgcompat/layout".into()));
    let away = ("etc/imgcompat/config.d/10-a.toml", "[artifacts]\nlayout = ''\n");
    assert_eq!(layout(&[set, away]), None);
    let relative = load(&[(MAIN, "[artifacts]\nlayout = 'layout'\n")]).unwrap_err().to_string();
    assert!(relative.ends_with(":2:1: the layout must be an absolute path"), "{relative}");
}

#[test]
fn an_exempt_namespace_is_audited_and_named_in_the_record() {
    let policy = load(&[
        (MAIN, "[[exempt]]\nnamespace = 'kube-system'\n[[image]]\nmatch = 'r.example/off'\nmode = 'off'\n"),
        ("etc/imgcompat/config.d/20-b.toml", "[[exempt]]\nnamespace = 'storage'\n"),
    ])
    .unwrap();
    for (image, namespace, mode, entries) in [
        ("r.example/a:1", Some("kube-system"), Mode::Audit, vec!["exempt namespace kube-system"]),
        ("r.example/a:1", Some("storage"), Mode::Audit, vec!["exempt namespace storage"]),
        ("r.example/a:1", Some("kube-system-2"), Mode::Enforce, vec![]),
        ("r.example/a:1", None, Mode::Enforce, vec![]),
        ("r.example/off:1", Some("kube-system"), Mode::Off, vec!["r.example/off"]),
    ] {
        let effective = policy.for_image(&[image], &[], now()).in_namespace(&policy, namespace);
        assert_eq!(
            (effective.mode, effective.entries),
            (mode, entries.into_iter().map(str::to_owned).collect()),
            "{image} {namespace:?}"
        );
    }
}

#[test]
fn an_exemption_without_a_namespace_is_an_error() {
    let error = load(&[(MAIN, "[[exempt]]\nnamespace = ''\n")]).unwrap_err();
    assert!(error.to_string().contains("an exemption names a namespace"), "{error}");
}
