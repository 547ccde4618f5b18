#!/usr/bin/env bash
# Builds what the distribution lacks, through Go's module proxy: olareg (a registry with the referrers API), distribution 3 (the present one of Debian's
# docker-registry, without it), oras (another client), and NFD's own client.
set -euo pipefail
. tests/lanes/lib.sh
command -v go >/dev/null || skip "no Go: tests that need olareg or oras say that they skip"
go_tool olareg github.com/olareg/olareg/cmd/olareg v0.2.2
go_tool distribution github.com/distribution/distribution/v3/cmd/registry v3.1.2
go_tool oras oras.land/oras/cmd/oras v1.3.6
nfd=sigs.k8s.io/node-feature-discovery
go_tool nfd "$nfd/cmd/nfd" v0.19.0 "$nfd/api/nfd=$nfd/api/nfd@v0.19.0"
"$tools/olareg" version || :
"$tools/oras" version
echo "summary: olareg 0.2.2, distribution 3.1.2, oras 1.3.6, NFD client 0.19.0; docker-registry $(docker-registry --version 2>/dev/null | awk '{print $3}')"
