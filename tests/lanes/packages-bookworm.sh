#!/usr/bin/env bash
# The .deb on Debian bookworm.
exec tests/lanes/packages-root.sh bookworm
