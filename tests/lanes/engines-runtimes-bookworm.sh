#!/usr/bin/env bash
# runtimes of Debian bookworm.
exec tests/lanes/engines-other.sh runtimes bookworm
