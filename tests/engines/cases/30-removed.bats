#!/usr/bin/env bats
# An image that goes while a container of it stays, on the engines that let it go: containerd and Docker. (podman takes the container along, CRI-O
# refuses.) See 10-identity.bats for VERBS.

setup() {
  # shellcheck disable=SC1090
  . "$VERBS"
  setup_engine
}

teardown() { teardown_engine; }

@test "an image that is removed between create and start is not identified, and policy decides" {
  push_image
  attach "$IMAGE" incompatible
  pull "$IMAGE"
  make "$IMAGE"
  forget_image "$IMAGE"
  printf '[on]\nimage-unidentified = "deny"\n' | policy
  refuses_made
  # What is removed may stay for a while, until the engine sweeps; then it is judged as before.
  if ! forgets_at_once; then
    decided '(.cause == "image-unidentified" or .verdict == "incompatible") and .decision == "deny"'
    return
  fi
  decided '.verdict == "undecided" and .cause == "image-unidentified" and .decision == "deny"'
  forget
  printf '[on]\nimage-unidentified = "allow"\n' | policy
  starts_made
  decided '.verdict == "undecided" and .cause == "image-unidentified" and .decision == "allow"'
}
