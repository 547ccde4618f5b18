#!/usr/bin/env bash
# podman, crun and runc of Debian sid.
exec tests/lanes/engines-podman.sh sid
