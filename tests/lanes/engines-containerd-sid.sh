#!/usr/bin/env bash
# containerd of Debian sid.
exec tests/lanes/engines-other.sh containerd sid
