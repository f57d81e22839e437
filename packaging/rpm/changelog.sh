#!/bin/sh
# changelog.sh VERSION EPOCH: the spec's changelog on standard output, from CHANGELOG.md's section of that version.
set -eu
echo "* $(LC_ALL=C date -u -d "@$2" '+%a %b %d %Y') pam_jit maintainers <maintainers@pam-jit.example> - $1-1"
items=$(packaging/changelog-items.sh "$1" - ' ' 79)
printf '%s\n' "$items" | sed 's/%/%%/g' # which rpm would take for a macro's
