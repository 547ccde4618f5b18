#!/usr/bin/env bats
# What the registry's silence does: the cache answers, and where it cannot, the policy does, in time. And how often a registry is asked.

setup() {
  load helpers
  new_test
  OWN=own-$(basename "$T")
}

teardown() {
  stop_registry "$OWN"
  rm -f "/etc/containers/registries.conf.d/$OWN.conf"
  end_test
}

# A registry that the test may stop, with an image that has a specification, pulled.
own_registry() {
  start_registry "$OWN"
  IMAGE=$REGISTRY/$REPO:1
  push_image >/dev/null
  [ -z "${1:-}" ] || attach "$IMAGE" "$1"
  pull "$IMAGE"
}

@test "the second start decides from the cache while the registry is stopped" {
  own_registry incompatible
  expect_refusal "$IMAGE"
  stop_registry "$OWN"
  expect_refusal "$IMAGE"
  says "kernel.version"
  decided '.verdict == "incompatible"'
}

@test "the second start of an image without a specification decides from the cache too" {
  own_registry
  printf '[on]\nregistry-unavailable = "deny"\n' | policy
  expect_start "$IMAGE"
  stop_registry "$OWN"
  expect_start "$IMAGE"
  decided '.verdict == "no-artifact"'
}

@test "the first start with the registry stopped: allowed by default, and recorded" {
  own_registry incompatible
  stop_registry "$OWN"
  expect_start "$IMAGE"
  decided '.verdict == "undecided" and .cause == "registry-unavailable" and .decision == "allow"'
}

@test "the first start with the registry stopped: refused where the policy says so" {
  own_registry compatible
  stop_registry "$OWN"
  printf '[on]\nregistry-unavailable = "deny"\n' | policy
  expect_refusal "$IMAGE"
  says "imgcompat: refused"
}

@test "a registry that accepts and never answers: the policy decides within the deadline" {
  own_registry compatible
  kill -STOP "$(cat "$SCRATCH/$OWN.pid")"
  printf 'deadline = "2s"\n' | policy
  local started=$SECONDS
  expect_start "$IMAGE"
  # Two seconds are the hook's; the rest is podman's on a busy machine. Without a deadline of its own the hook would be killed after 10.
  [ $((SECONDS - started)) -lt 9 ]
  decided '.verdict == "undecided" and (.cause == "registry-unavailable" or .cause == "deadline-exceeded") and .decision == "allow"'
}

@test "a start from the cache asks the registry nothing" {
  own_registry compatible
  expect_start "$IMAGE"
  local before
  before=$(count_requests "$REPO" "$OWN")
  expect_start "$IMAGE"
  expect_start "$IMAGE"
  [ "$(count_requests "$REPO" "$OWN")" = "$before" ]
}

@test "50 parallel cold starts make one set of requests" {
  own_registry compatible
  local before one fifty number failed=0 pids=()
  # What one start asks for:
  before=$(count_requests "$REPO" "$OWN")
  expect_start "$IMAGE"
  one=$(($(count_requests "$REPO" "$OWN") - before))
  [ "$one" -ge 2 ]
  rm -rf "$ROOT/var/cache/imgcompat"
  install -d -m 700 "$ROOT/var/cache/imgcompat"
  # The starts wait for each other in podman before they reach the hook, so their deadline is not the point here.
  printf 'deadline = "9s"\n' | policy
  for number in $(seq 50); do run_podman 0 create --name "cold-$number" --network none "$IMAGE" /bin/true; done
  before=$(count_requests "$REPO" "$OWN")
  for number in $(seq 50); do
    podman_here start -a "cold-$number" >"$T/cold-$number.log" 2>&1 3>&- &
    pids+=($!)
  done
  for number in "${pids[@]}"; do wait "$number" || failed=$((failed + 1)); done
  cat "$T"/cold-*.log
  [ "$failed" = 0 ]
  fifty=$(($(count_requests "$REPO" "$OWN") - before))
  echo "one start: $one requests; fifty: $fifty"
  [ "$fifty" = "$one" ]
  [ "$(decisions | tail -n 50 | jq -r .verdict | sort | uniq -c | awk '{print $1, $2}')" = "50 compatible" ]
}
