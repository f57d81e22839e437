#!/bin/sh
# changelog.sh VERSION EPOCH: Debian's changelog on standard output, from CHANGELOG.md's section of that version.
set -eu
printf 'pam-jit (%s) unstable; urgency=medium\n\n' "$1"
packaging/changelog-items.sh "$1" '  *' '   ' 77
printf '\n -- %s  %s\n' "$(sed -n 's/^Maintainer: //p' "$(dirname "$0")/control")" "$(LC_ALL=C date -u -R -d "@$2")"
