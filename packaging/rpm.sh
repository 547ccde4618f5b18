#!/usr/bin/env bash
# rpm.sh STAGE VERSION OUTPUT: the .rpm of the tree that stage.sh made, by rpmbuild alone. Same tree and SOURCE_DATE_EPOCH, same bytes.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
stage=$(cd "$1" && pwd) version=$2 output=$3
: "${SOURCE_DATE_EPOCH:?}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
umask 022
# rpmbuild reads % as the start of a macro.
sed 's/%/%%/g' "$here/scripts/functions.sh" >"$work/functions"
sed -e "/^@FUNCTIONS@\$/{
r $work/functions
d
}" "$here/rpm/imgcompat.spec" >"$work/imgcompat.spec"
mkdir -p "$output"
rpmbuild -bb --quiet --target "$(uname -m)-linux" --define "_topdir $work" --define "_rpmdir $work/made" --define "stage $stage" --define "imgcompat_version $version" \
  --define "_dbpath $work/db" --define "_buildhost reproducible" --define "use_source_date_epoch_as_buildtime 1" --define "clamp_mtime_to_source_date_epoch 1" \
  --define "_binary_payload w${LEVEL:-6}.xzdio" --define "_build_name_fmt %%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm" "$work/imgcompat.spec"
mv "$work"/made/*.rpm "$output/"
