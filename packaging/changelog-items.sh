#!/bin/sh
# changelog-items.sh VERSION BULLET INDENT WIDTH: the items of CHANGELOG.md's section of that version, wrapped, each behind
# BULLET and its further lines behind INDENT. For the packages' changelogs; run in the tree's root.
set -eu
awk -v wanted="$1" -v bullet="$2" -v indent="$3" -v width="$4" '
	/^## / { inside = $2 == wanted }
	inside && /^- / { show(); item = substr($0, 3) }
	inside && /^  [^ ]/ { item = item " " substr($0, 3) }
	inside && /^$/ { show() }
	END { show(); if (!shown) { item = "Version " wanted "."; show() } }
	function show(    words, count, i, out) {
		if (item == "")
			return
		count = split(item, words, " ")
		out = bullet
		for (i = 1; i <= count; i++) {
			if (length(out) + length(words[i]) >= width) {
				print out
				out = indent
			}
			out = out " " words[i]
		}
		print out
		item = ""
		shown = 1
	}' CHANGELOG.md
