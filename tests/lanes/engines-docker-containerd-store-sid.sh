#!/usr/bin/env bash
# Docker of Debian sid with containerd's image store.
STORE=overlayfs exec tests/lanes/engines-other.sh docker sid
