#!/usr/bin/env bash
# crio of Debian trixie.
exec tests/lanes/engines-other.sh crio trixie
