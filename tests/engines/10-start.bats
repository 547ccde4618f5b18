#!/usr/bin/env bats
# shellcheck disable=SC2030,SC2031 # status and output are those of the last run
# What the hook is for: a compatible image starts, an incompatible one does not, and the person is told why.

setup() {
  load helpers
  new_test
}

teardown() { end_test; }

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

# shellcheck disable=SC2016 # the backquotes are the message's
# at_a_terminal HOOKS: what a person at a terminal reads of a start that a hook refuses, less the hook's own words and path; in READ.
at_a_terminal() {
  rm -f "$T/volume/ran"
  run timeout 60 script -qec "podman --root $SCRATCH/storage --runroot $SCRATCH/run --runtime $RUNTIME --hooks-dir $1 run --rm -t --network none -v $T/volume:/volume $IMAGE /bin/touch /volume/ran" /dev/null
  if [ "$status" != 126 ] || [ -e "$T/volume/ran" ]; then
    printf 'not refused (%s):\n%s\n' "$status" "$output"
    return 1
  fi
  READ=$(tail -n 1 <<<"$output" | sed -E -e 's/(imgcompat: refused: .* See: imgcompat why [0-9a-f]+|plain: refused)/SENTENCE/' -e 's/`[^`]*`/HOOK/' -e 's/\r$//')
}

# podman 5 loses a refusal's message at a terminal, a different part of it from one time to the next (5.4 with crun 1.21: half of the starts end with
# "no logs from conmon"), and it does so with any hook. So what can be asked of ours is that a person reads no less of it than of a hook that only
# says a sentence and fails.
@test "a container with a terminal is refused too: the person reads what this engine lets any hook say, and the log has the reason" {
  command -v script >/dev/null || skip "script(1) is not installed"
  push_image
  attach "$IMAGE" incompatible
  pull "$IMAGE"
  mkdir "$T/plain"
  printf '#!/bin/sh\ncat >/dev/null\necho "plain: refused" >&2\nexit 1\n' >"$T/plain.sh"
  chmod 755 "$T/plain.sh"
  jq --arg p "$T/plain.sh" '.hook = {path: $p}' "$HOOKS/imgcompat.json" >"$T/plain/plain.json"
  local ours number plain=
  for number in 1 2 3; do
    forget
    at_a_terminal "$HOOKS"
    decided '.verdict == "incompatible" and .decision == "deny"'
    ours+=$READ$'\n'
  done
  for number in $(seq 40); do
    [ -n "$(grep -vxF -e "${plain:-nothing yet}" <<<"${ours%$'\n'}" || :)" ] || break
    at_a_terminal "$T/plain"
    plain+=${plain:+$'\n'}$READ
  done
  printf 'with our hook:\n%swith a plain one (%d starts):\n%s\n' "$ours" "$((number - 1))" "$(sort <<<"$plain" | uniq -c)"
  [ -z "$(grep -vxF -e "$plain" <<<"${ours%$'\n'}" || :)" ]
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
