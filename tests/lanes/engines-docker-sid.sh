#!/usr/bin/env bash
# docker of Debian sid.
exec tests/lanes/engines-other.sh docker sid
