//! Verdict and policy make a decision. Pure: the same inputs give the same decision, and the whole of it is the
//! table of defaults in `outcome.rs` and four rules.
//!
//! 1. An administrator's override for the image decides, as long as it has not expired.
//! 2. Else the policy's own word for the outcome (`[on]`), the most specific first.
//! 3. Else the profile's default.
//! 4. In audit mode the start is allowed whatever the first three say; the record keeps what they said.

use super::config::{EffectivePolicy, Mode, Profile};
use super::outcome::{Action, DEFAULTS};
use crate::verdict::Verdict;

/// A decision with its reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// What happens.
    pub action: Action,
    /// What would happen under `mode = "enforce"`; differs from `action` in audit mode only.
    pub under_enforce: Action,
    /// The override that decided, where one did: its reason.
    pub overridden: Option<String>,
}

fn default_action(verdict: Verdict, profile: Profile) -> Action {
    match (profile, verdict) {
        (_, Verdict::Compatible) => Action::Allow,
        (Profile::Strict, _) => Action::Deny,
        (Profile::Default, _) => {
            let known = DEFAULTS.iter().find(|(outcome, _)| *outcome == verdict);
            known.map_or(Action::Deny, |(_, action)| *action)
        }
    }
}

/// Decides.
pub fn decide(verdict: Verdict, policy: &EffectivePolicy) -> Decision {
    let set = policy.on.get(verdict.outcome()).copied();
    let ruled = set.unwrap_or_else(|| default_action(verdict, policy.profile));
    let (under_enforce, overridden) = match &policy.overridden {
        Some(entry) if entry.action != ruled => (entry.action, Some(entry.reason.clone())),
        _ => (ruled, None),
    };
    let action = match policy.mode {
        Mode::Enforce => under_enforce,
        Mode::Audit | Mode::Off => Action::Allow,
    };
    Decision { action, under_enforce, overridden }
}

#[cfg(test)]
mod tests {
    use super::super::config::Override;
    use super::*;

    fn policy(mode: Mode, profile: Profile, on: &[(&str, Action)]) -> EffectivePolicy {
        EffectivePolicy {
            mode,
            profile,
            on: on.iter().map(|(k, v)| ((*k).to_owned(), *v)).collect(),
            ..EffectivePolicy::default()
        }
    }

    #[test]
    fn defaults_are_those_of_the_documentation() {
        let policy = policy(Mode::Enforce, Profile::Default, &[]);
        for (verdict, action) in DEFAULTS {
            assert_eq!(decide(verdict, &policy).action, action, "{verdict}");
        }
    }

    #[test]
    fn the_strict_profile_denies_everything_but_compatible() {
        let policy = policy(Mode::Enforce, Profile::Strict, &[]);
        for (verdict, _) in DEFAULTS {
            let allowed = decide(verdict, &policy).action == Action::Allow;
            assert_eq!(allowed, verdict == Verdict::Compatible, "{verdict}");
        }
    }

    #[test]
    fn every_default_can_be_set() {
        for (verdict, action) in DEFAULTS {
            let other = if action == Action::Allow { Action::Deny } else { Action::Allow };
            let policy = policy(Mode::Enforce, Profile::Default, &[(verdict.outcome(), other)]);
            assert_eq!(decide(verdict, &policy).action, other, "{verdict}");
        }
    }

    #[test]
    fn audit_never_refuses_and_says_what_enforce_would_do() {
        for (verdict, action) in DEFAULTS {
            let decision = decide(verdict, &policy(Mode::Audit, Profile::Default, &[]));
            assert_eq!((decision.action, decision.under_enforce), (Action::Allow, action));
        }
    }

    #[test]
    fn an_override_decides_and_is_named_only_where_it_changes_something() {
        let mut policy = policy(Mode::Enforce, Profile::Default, &[]);
        policy.overridden =
            Some(Override::for_test("**", Action::Allow, "until the new nodes come"));
        let changed = decide(Verdict::Incompatible, &policy);
        assert_eq!(changed.action, Action::Allow);
        assert_eq!(changed.overridden.as_deref(), Some("until the new nodes come"));
        assert_eq!(decide(Verdict::Compatible, &policy).overridden, None);
    }
}
