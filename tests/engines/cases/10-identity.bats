#!/usr/bin/env bats
# shellcheck disable=SC2034 # helpers.bash reads IMAGE_ENV
# What must hold on every engine, however it is spoken to: which image a container is made from, which artifact counts, what the person is told.
#
# VERBS is a file that says how one client of one engine does it, by every way in which it can meet us (hook and wrapper, crun and runc):
#   ENGINE               the word in the decision log
#   setup_engine, teardown_engine
#   pull IMAGE
#   starts IMAGE         a container starts and its process runs
#   refuses IMAGE        it does not start, ends with the engine's code, and the person reads our sentence
#   refuses_lies IMAGE   the same, with whatever the creator of a container can claim about it
#   make IMAGE, starts_made, refuses_made: created first, started later (not where a container is judged when it is created)
#   forget_image IMAGE   the engine's record of an image goes, though a container was made from it (where that can be)
#   id_of IMAGE          what the engine takes in place of a name; nothing if there is no such thing
#   knows_what_was_asked true if the record of a container has the name that was asked for
#   knows_index_of_manifest true if an image that is asked for by its manifest's digest is known to be part of an index that was pulled
#   keeps_unnamed        true if an image stays known when its only name moves to another

setup() {
  # shellcheck disable=SC1090
  . "$VERBS"
  setup_engine
}

teardown() { teardown_engine; }

# copy_to OTHER: the same image, the same digests, in another place of the registry.
copy_to() { skopeo copy -q --preserve-digests --src-tls-verify=false --dest-tls-verify=false "docker://$IMAGE" "docker://$1"; }

@test "an image without a specification starts" {
  push_image
  pull "$IMAGE"
  starts "$IMAGE"
  decided ".engine == \"$ENGINE\" and .verdict == \"no-artifact\" and .decision == \"allow\""
}

@test "a compatible image starts" {
  push_image
  attach "$IMAGE" compatible
  pull "$IMAGE"
  starts "$IMAGE"
  decided ".engine == \"$ENGINE\" and .verdict == \"compatible\" and .decision == \"allow\""
}

@test "an incompatible image is refused, nothing of it runs, and the person reads the whole sentence" {
  push_image
  attach "$IMAGE" incompatible
  pull "$IMAGE"
  refuses "$IMAGE"
  says "imgcompat: refused: $IMAGE needs kernel.version major (Gt 9000); this host has $(uname -r | cut -d . -f 1)"
  says "See: imgcompat why "
  decided ".engine == \"$ENGINE\" and .verdict == \"incompatible\" and .decision == \"deny\""
}

@test "audit: it starts, and the record says that it would have been refused" {
  push_image
  attach "$IMAGE" incompatible
  pull "$IMAGE"
  set_mode audit
  starts "$IMAGE"
  decided '.verdict == "incompatible" and .decision == "allow" and .mode == "audit" and .under_enforce == "deny"'
}

@test "pulled by digest" {
  local digest
  digest=$(push_image)
  attach "$IMAGE" incompatible
  pull "$REGISTRY/$REPO@$digest"
  refuses "$REGISTRY/$REPO@$digest"
}

@test "two platforms, artifact on the index: pulled by tag, by the index's digest, by the manifest's" {
  local digests index manifest
  digests=$(push_index)
  index=$(head -n 1 <<<"$digests")
  manifest=$(tail -n 1 <<<"$digests")
  attach "$IMAGE" incompatible
  pull "$IMAGE"
  refuses "$IMAGE"
  pull "$REGISTRY/$REPO@$index"
  refuses "$REGISTRY/$REPO@$index"
  # Asked for by the manifest alone, where the engine still knows that the index has it.
  pull "$REGISTRY/$REPO@$manifest"
  if knows_index_of_manifest; then refuses "$REGISTRY/$REPO@$manifest"; else starts "$REGISTRY/$REPO@$manifest"; fi
}

@test "two platforms, artifact on this platform's manifest: pulled by tag, by the index's digest, by the manifest's" {
  local digests reference
  digests=$(push_index)
  attach "$IMAGE" incompatible --platform "linux/$(this_architecture)"
  for reference in "$REGISTRY/$REPO@$(tail -n 1 <<<"$digests")" "$REGISTRY/$REPO@$(head -n 1 <<<"$digests")" "$IMAGE"; do
    pull "$reference"
    refuses "$reference"
  done
}

@test "two platforms, artifact on the other platform's manifest: not for this host" {
  push_index
  attach "$IMAGE" incompatible --platform "linux/$(other_architecture)"
  pull "$IMAGE"
  starts "$IMAGE"
  decided '.verdict == "no-artifact"'
}

@test "two tags of one image: each is judged" {
  push_image
  copy_to "$REGISTRY/$REPO:2"
  attach "$IMAGE" incompatible
  pull "$IMAGE"
  pull "$REGISTRY/$REPO:2"
  refuses "$IMAGE"
  refuses "$REGISTRY/$REPO:2"
}

@test "two repositories with the same image and different artifacts: that of the one asked for counts, and never a laxer one alone" {
  push_image
  attach "$IMAGE" incompatible
  copy_to "$REGISTRY/a/$REPO:1"
  attach "$REGISTRY/a/$REPO:1" compatible
  pull "$IMAGE"
  pull "$REGISTRY/a/$REPO:1"
  refuses "$IMAGE"
  if knows_what_was_asked; then starts "$REGISTRY/a/$REPO:1"; fi
}

@test "started by the image's id" {
  push_image
  attach "$IMAGE" incompatible
  pull "$IMAGE"
  local id
  id=$(id_of "$IMAGE")
  [ -n "$id" ] || skip "it starts nothing by an id"
  refuses "$id"
}

@test "what the creator of a container says about it changes nothing" {
  push_image
  attach "$IMAGE" incompatible
  pull "$IMAGE"
  refuses_lies "$IMAGE"
  decided ".engine == \"$ENGINE\" and .mode == \"enforce\" and .verdict == \"incompatible\""
}

@test "an image with LD_PRELOAD in its environment: nothing of it is loaded by the programs on the node" {
  need_preload
  IMAGE_ENV=$(preload_environment)
  push_image
  attach "$IMAGE" incompatible
  pull "$IMAGE"
  watch_programs
  refuses "$IMAGE"
  nothing_preloaded
  push_image 2
  attach "$REGISTRY/$REPO:2" compatible
  pull "$REGISTRY/$REPO:2"
  starts "$REGISTRY/$REPO:2"
  nothing_preloaded
}

@test "a registry of the other kind: one without the referrers API where that of the run has it, else one with it" {
  [ -n "${OTHER_REGISTRY:-}" ] || skip "$OTHER_KIND is not installed"
  REGISTRY=$OTHER_REGISTRY
  IMAGE=$REGISTRY/$REPO:1
  local index answer
  index=$(push_index | head -n 1)
  attach "$IMAGE" incompatible
  answer=$(curl -s -o /dev/null -w '%{http_code}' "http://$REGISTRY/v2/$REPO/referrers/$index")
  case $OTHER_KIND in
    olareg) [ "$answer" = 200 ] ;;
    *) [ "$answer" = 404 ] ;;
  esac
  pull "$IMAGE"
  refuses "$IMAGE"
}
