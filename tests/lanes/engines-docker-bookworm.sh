#!/usr/bin/env bash
# docker of Debian bookworm.
exec tests/lanes/engines-other.sh docker bookworm
