#!/usr/bin/env bash
# containerd of Debian bookworm.
exec tests/lanes/engines-other.sh containerd bookworm
