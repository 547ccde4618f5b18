#!/usr/bin/env bash
# rootless of Debian bookworm.
exec tests/lanes/engines-other.sh rootless bookworm
