#!/usr/bin/env bash
# The .deb on Debian trixie.
exec tests/lanes/packages-root.sh trixie
