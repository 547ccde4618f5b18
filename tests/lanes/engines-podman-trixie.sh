#!/usr/bin/env bash
# podman, crun and runc of Debian trixie.
exec tests/lanes/engines-podman.sh trixie
