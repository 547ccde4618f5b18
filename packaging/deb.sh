#!/usr/bin/env bash
# deb.sh STAGE VERSION OUTPUT: the .deb of the tree that stage.sh made, by dpkg-deb alone. Same tree and SOURCE_DATE_EPOCH, same bytes.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
stage=$1 version=$2-1 output=$3
: "${SOURCE_DATE_EPOCH:?}"
case $(uname -m) in
  x86_64) architecture=amd64 ;;
  aarch64) architecture=arm64 ;;
  *) architecture=$(dpkg --print-architecture) ;;
esac

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
umask 022
tree=$work/tree
cp -a "$stage" "$tree"
mkdir "$tree/DEBIAN"

documents=$tree/usr/share/doc/imgcompat
mkdir -p "$documents" "$tree/usr/share/lintian/overrides"
install -m 644 "$here/deb/copyright" "$documents/copyright"
install -m 644 "$here/deb/lintian-overrides" "$tree/usr/share/lintian/overrides/imgcompat"
gzip -9nc "$here/../CHANGELOG.md" >"$documents/changelog.gz"
gzip -9n >"$documents/changelog.Debian.gz" <<T
imgcompat ($version) unstable; urgency=medium

  * Built from the source of version ${version%-*}; changelog.gz says what is new.

 -- imgcompat maintainers <maintainers@imgcompat.invalid>  $(LC_ALL=C date -u -R -d "@$SOURCE_DATE_EPOCH")
T

for name in preinst postinst prerm postrm; do
  { echo '#!/bin/sh'; cat "$here/scripts/functions.sh" "$here/deb/$name"; } >"$tree/DEBIAN/$name"
  chmod 755 "$tree/DEBIAN/$name"
done
printf '%s\n' /etc/imgcompat/config.toml /etc/logrotate.d/imgcompat >"$tree/DEBIAN/conffiles"
cat >"$tree/DEBIAN/control" <<T
Package: imgcompat
Version: $version
Section: admin
Priority: optional
Architecture: $architecture
Maintainer: imgcompat maintainers <maintainers@imgcompat.invalid>
Installed-Size: $(du -k --apparent-size -s "$tree" | cut -f 1)
Recommends: ca-certificates
Suggests: logrotate, prometheus-node-exporter
Enhances: containerd, cri-o, docker.io, podman
Homepage: https://github.com/imgcompat/imgcompat
Description: refuses to start containers that this node cannot run
 An image says what it needs of a node, in the image compatibility
 specification of Node Feature Discovery that is attached to it as an OCI
 artifact. At every container start an OCI hook evaluates it on this host, and
 refuses the start where the host does not satisfy it, or only records that
 in audit mode. Images without a specification start as before.
 .
 It is in force for podman and CRI-O once it is installed; "imgcompat enable"
 does the same for containerd and Docker. The tool validates nodes, attaches
 and checks specifications, and explains decisions.
T
( cd "$tree" && find usr etc -type f -print0 | LC_ALL=C sort -z | xargs -0 md5sum >DEBIAN/md5sums )
find "$tree" -newermt "@$SOURCE_DATE_EPOCH" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
mkdir -p "$output"
# One thread, since the bytes of xz depend on how many there are.
dpkg-deb --root-owner-group -Zxz "-z${LEVEL:-6}" --threads-max=1 --build "$tree" "$output/imgcompat_${version}_$architecture.deb"
