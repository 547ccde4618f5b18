#!/usr/bin/env bats
# shellcheck disable=SC2030,SC2031 # another REPO, in a subshell on purpose
# What happens between the making of a container and its start, on every engine that judges at the start. See 10-identity.bats for VERBS.

setup() {
  # shellcheck disable=SC1090
  . "$VERBS"
  setup_engine
}

teardown() { teardown_engine; }

# move_tag SPECIFICATION: another image, with that specification, under $IMAGE's name, pulled.
move_tag() {
  # The specification of the image that has the name now is found by digest, and is of no use to the new one.
  ( REPO=$REPO-other && push_image other >/dev/null )
  skopeo copy -q --preserve-digests --src-tls-verify=false --dest-tls-verify=false "docker://$REGISTRY/$REPO-other:other" "docker://$IMAGE"
  attach "$IMAGE" "$1"
  pull "$IMAGE"
}

# All test images share their one layer, so nothing but the engine's records tells one from the other. Where those keep nothing of an image that has
# lost its name, it must not be taken for the one that has the name now.
unidentified() { decided ".verdict == \"undecided\" and .cause == \"image-unidentified\" and .decision == \"$1\""; }

@test "a tag that moves to a compatible image between create and start does not make the container's own image compatible" {
  push_image
  attach "$IMAGE" incompatible
  pull "$IMAGE"
  make "$IMAGE"
  move_tag compatible
  printf '[on]\nimage-unidentified = "deny"\n' | policy
  refuses_made
  if keeps_unnamed; then decided '.verdict == "incompatible"'; else unidentified deny; fi
}

@test "a tag that moves to an incompatible image between create and start does not make the container's own image incompatible" {
  push_image
  attach "$IMAGE" compatible
  pull "$IMAGE"
  make "$IMAGE"
  move_tag incompatible
  starts_made
  if keeps_unnamed; then decided '.verdict == "compatible"'; else unidentified allow; fi
}

@test "the same image pulled again between create and start is judged as before" {
  push_image
  attach "$IMAGE" incompatible
  pull "$IMAGE"
  make "$IMAGE"
  pull "$IMAGE"
  refuses_made
  decided '.verdict == "incompatible"'
}
