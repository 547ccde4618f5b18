#!/usr/bin/env bash
# podman, crun and runc of Debian bookworm.
exec tests/lanes/engines-podman.sh bookworm
