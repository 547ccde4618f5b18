#!/usr/bin/env bats
# The administrator's word: mode, profile, outcomes, entries for some images.

setup() {
  load helpers
  new_test
}

teardown() { end_test; }

incompatible_image() {
  push_image >/dev/null
  attach "$IMAGE" incompatible
  pull "$IMAGE"
}

@test "off: it starts, and nothing is recorded" {
  incompatible_image
  set_mode off
  expect_start "$IMAGE"
  [ -z "$(decisions)" ]
}

@test "an entry for some images overrides the mode for them alone" {
  incompatible_image
  policy <<EOF
[[image]]
match = "$REGISTRY/$REPO"
mode = "audit"
EOF
  expect_start "$IMAGE"
  policy <<EOF
[[image]]
match = "$REGISTRY/elsewhere/**"
mode = "audit"
EOF
  expect_refusal "$IMAGE"
}

@test "the strict profile refuses an image without a specification" {
  push_image
  pull "$IMAGE"
  printf 'profile = "strict"\n' | policy
  expect_refusal "$IMAGE"
  decided '.verdict == "no-artifact" and .decision == "deny"'
}

@test "an outcome can be set" {
  incompatible_image
  printf '[on]\nincompatible = "allow"\n' | policy
  expect_start "$IMAGE"
  decided '.verdict == "incompatible" and .decision == "allow"'
}

@test "an override lets an image start, and its reason is in the record" {
  incompatible_image
  policy <<EOF
[[override]]
image = "$REGISTRY/$REPO"
action = "allow"
reason = "ticket 77"
until = "2999-12-31"
EOF
  expect_start "$IMAGE"
  last_decision | grep -q 'ticket 77'
}

@test "a broken configuration starts everything and records an error; --fail-closed refuses" {
  push_image
  attach "$IMAGE" compatible
  pull "$IMAGE"
  printf 'mod = "enforce"\n' | policy
  expect_start "$IMAGE"
  decided '.verdict == "undecided" and .cause == "internal"'
  last_decision | grep -q '50-test.toml:1:1'
  write_hook "$HOOKS" --fail-closed
  expect_refusal "$IMAGE"
  decided '.verdict == "undecided" and .cause == "internal" and .decision == "deny"'
}

@test "config check finds what is wrong before a start does" {
  run tool config check --root "$ROOT"
  [ "$status" = 0 ]
  printf 'mod = "enforce"\n' | policy
  run tool config check --root "$ROOT"
  [ "$status" != 0 ]
  says "50-test.toml:1:1"
  says "mod"
}
