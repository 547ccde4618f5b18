#!/usr/bin/env bash
# containerd of Debian trixie.
exec tests/lanes/engines-other.sh containerd trixie
