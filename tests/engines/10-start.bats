#!/usr/bin/env bats
# What the hook is for: a compatible image starts, an incompatible one does not, and the person is told why.

setup() {
  load helpers
  new_test
}

teardown() { end_test; }

@test "an image without a specification starts" {
  push_image
  pull "$IMAGE"
  expect_start "$IMAGE"
  decided '.verdict == "no-artifact" and .decision == "allow"'
}

@test "a compatible image starts" {
  push_image
  attach "$IMAGE" compatible
  pull "$IMAGE"
  expect_start "$IMAGE"
  decided '.verdict == "compatible" and .decision == "allow"'
}

@test "an incompatible image is refused with 126, and nothing of it runs" {
  push_image
  attach "$IMAGE" incompatible
  pull "$IMAGE"
  expect_refusal "$IMAGE"
  decided '.verdict == "incompatible" and .decision == "deny"'
}

@test "the refusal names image, feature, operator, wanted and actual value" {
  push_image
  attach "$IMAGE" incompatible
  pull "$IMAGE"
  expect_refusal "$IMAGE"
  says "imgcompat: refused"
  says "$IMAGE"
  says "kernel.version"
  says "Gt"
  says "9000"
  says "$(uname -r | cut -d . -f 1)"
  [[ $output != *"no logs from conmon"* ]]
}

@test "a container with a terminal is refused too, and the log has the reason" {
  push_image
  attach "$IMAGE" incompatible
  pull "$IMAGE"
  command -v script >/dev/null || skip "script(1) is not installed"
  rm -f "$T/volume/ran"
  run timeout 60 script -qec "podman --root $SCRATCH/storage --runroot $SCRATCH/run --runtime $RUNTIME --hooks-dir $HOOKS run --rm -t --network none -v $T/volume:/volume $IMAGE /bin/touch /volume/ran" /dev/null
  [ "$status" = 126 ]
  [ ! -e "$T/volume/ran" ]
  # What is said is not looked at: with a terminal, podman 5 now and then says no more than "no logs from conmon" of any refused start.
  decided '.verdict == "incompatible" and .decision == "deny"'
}

@test "a stopped container is judged again when it is started again" {
  push_image
  attach "$IMAGE" compatible
  pull "$IMAGE"
  run_podman 0 create --name again --network none "$IMAGE" /bin/true
  run_podman 0 start -a again
  cat >"$ROOT/etc/imgcompat/specs.d/later.yaml" <<EOF
images: ["$REGISTRY/$REPO"]
$(cat "$BATS_TEST_DIRNAME/specs/incompatible.yaml")
EOF
  # podman run ends with 126; podman start with 125 before podman 5.
  run_podman '?' start -a again
  [ "$status" = 125 ] || [ "$status" = 126 ]
  says "imgcompat: refused"
}

@test "why tells each expression with the host's value" {
  push_image
  attach "$IMAGE" incompatible
  pull "$IMAGE"
  expect_refusal "$IMAGE"
  run tool why --root "$ROOT"
  [ "$status" = 0 ]
  says "$IMAGE"
  says "kernel.version"
  says "9000"
  says "$(uname -r | cut -d . -f 1)"
}

@test "the command that a refusal names answers, also for a refusal that the log leaves out" {
  push_image
  attach "$IMAGE" incompatible
  pull "$IMAGE"
  local id
  for _ in first second; do
    expect_refusal "$IMAGE"
    id=$(grep -oE 'imgcompat why [0-9a-f]+' <<<"$output" | awk 'NR == 1 {print $3}')
    [ -n "$id" ]
    run tool why --root "$ROOT" "$id"
    [ "$status" = 0 ]
    says "kernel.version"
  done
  [ "$(decisions | wc -l)" = 1 ]
}

@test "a misspelt field in the specification refuses the start and names line and column" {
  push_image
  oras_attach "$IMAGE" misspelt
  pull "$IMAGE"
  expect_refusal "$IMAGE"
  decided '.verdict == "undecided" and .cause == "invalid-specification"'
  last_decision | jq -r .reason
  last_decision | jq -r .reason | grep -q 'line 7, column 7'
  says 'matchExpresions'
}

@test "an operator that does not exist refuses the start" {
  push_image
  oras_attach "$IMAGE" badoperator
  pull "$IMAGE"
  expect_refusal "$IMAGE"
  decided '.verdict == "undecided"'
  last_decision | jq -r .reason | grep -q 'GreaterThan'
}

@test "an artifact that another client attached is found" {
  push_image
  oras_attach "$IMAGE" incompatible
  pull "$IMAGE"
  expect_refusal "$IMAGE"
}
