#!/bin/sh
# changelog.sh VERSION EPOCH: the spec's changelog on standard output, from CHANGELOG.md's section of that version.
set -eu
echo "* $(LC_ALL=C date -u -d "@$2" '+%a %b %d %Y') pam_jit maintainers <maintainers@pam-jit.example> - $1-1"
awk -v wanted="$1" '
	/^## / { inside = $2 == wanted }
	inside && /^- / { show(); item = substr($0, 3) }
	inside && /^  [^ ]/ { item = item " " substr($0, 3) }
	inside && /^$/ { show() }
	END { show(); if (!shown) { item = "Version " wanted "."; show() } }
	function show(    words, count, i, out) {
		if (item == "")
			return
		gsub(/%/, "%%", item)
		count = split(item, words, " ")
		out = "-"
		for (i = 1; i <= count; i++) {
			if (length(out) + length(words[i]) > 78) {
				print out
				out = " "
			}
			out = out " " words[i]
		}
		print out
		item = ""
		shown = 1
	}' CHANGELOG.md
