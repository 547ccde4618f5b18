#!/usr/bin/env bash
# The .deb on Debian sid.
exec tests/lanes/packages-root.sh sid
