#!/usr/bin/env bash
# Builds what the distribution lacks, through Go's module proxy: olareg (a registry with the referrers API), distribution 3 (the present one of Debian's
# docker-registry, without it), oras (another client), and NFD's own client.
set -euo pipefail
. tests/lanes/lib.sh
command -v go >/dev/null || skip "no Go: tests that need olareg or oras say that they skip"
as_builder mkdir -p "$tools"
export GOFLAGS=-modcacherw
# Where the proxy has no list of versions, `go install X@V` is refused; `go get -tool` in an empty module is not.
# tool NAME PACKAGE VERSION [REPLACEMENT]
tool() {
  local name=$1 package=$2 version=$3 replace=${4:-} module
  [ ! -x "$tools/$name" ] || return 0
  module=target/tools/module-$name
  mkdir -p "$module"
  ( cd "$module"
    [ -f go.mod ] || go mod init example.invalid/tools
    [ -z "$replace" ] || go mod edit -replace "$replace"
    go get -tool "$package@$version"
    CGO_ENABLED=0 go build -o "$tools/$name" "$package" )
}
tool olareg github.com/olareg/olareg/cmd/olareg v0.2.2
tool distribution github.com/distribution/distribution/v3/cmd/registry v3.1.2
tool oras oras.land/oras/cmd/oras v1.3.6
nfd=sigs.k8s.io/node-feature-discovery
tool nfd "$nfd/cmd/nfd" v0.19.0 "$nfd/api/nfd=$nfd/api/nfd@v0.19.0"
"$tools/olareg" version || :
"$tools/oras" version
echo "summary: olareg 0.2.2, distribution 3.1.2, oras 1.3.6, NFD client 0.19.0; docker-registry $(docker-registry --version 2>/dev/null | awk '{print $3}')"
