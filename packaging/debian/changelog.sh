#!/bin/sh
# changelog.sh VERSION EPOCH: Debian's changelog on standard output, from CHANGELOG.md's section of that version.
set -eu
printf 'pam-jit (%s) unstable; urgency=medium\n\n' "$1"
awk -v wanted="$1" '
	/^## / { inside = $2 == wanted }
	inside && /^- / { show(); item = substr($0, 3) }
	inside && /^  [^ ]/ { item = item " " substr($0, 3) }
	END { show(); if (!shown) { item = "Version " wanted "."; show() } }
	function show(    words, count, i, out) {
		if (item == "")
			return
		count = split(item, words, " ")
		out = "  *"
		for (i = 1; i <= count; i++) {
			if (length(out) + length(words[i]) > 76) {
				print out
				out = "   "
			}
			out = out " " words[i]
		}
		print out
		item = ""
		shown = 1
	}' CHANGELOG.md
printf '\n -- %s  %s\n' "$(sed -n 's/^Maintainer: //p' "$(dirname "$0")/control")" "$(LC_ALL=C date -u -R -d "@$2")"
