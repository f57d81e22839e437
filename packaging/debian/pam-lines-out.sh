# Comments out every line of PAM's files that loads the module: where it is not there, nobody would get in. Lines that
# a backslash joins go together; a line that only names the module, or one of that name in a folder of its own, stays.
pam_lines_out() {
	failed=0
	for file in /etc/pam.conf /etc/pam.d/* /usr/lib/pam.d/*; do
		grep -qs 'pam_jit\.so' "$file" || continue
		file=$(readlink -f "$file")
		new=$file.pam-jit-new
		if cp -a "$file" "$new" && awk -v services="$([ "$file" = /etc/pam.conf ] && echo yes)" '
			# The first word of text, or what is in brackets, which may hold blanks; text is what follows.
			function word(    found) {
				sub(/^[ \t]+/, "", text)
				match(text, /^\[(\\\]|[^]])*\]|^[^ \t]+/)
				found = substr(text, 1, RLENGTH)
				text = substr(text, RLENGTH + 1)
				gsub(/^\[|\]$/, "", found)
				return found
			}
			function look(    module, n) {
				text = joined
				sub(/\r$/, "", text)
				if (services)
					word()
				word() # account
				word() # required
				module = word()
				if (module == "pam_jit.so" || module ~ /\/security\/([^\/]+\/)?pam_jit\.so$/)
					for (n = first; n <= NR; n++)
						loads[n] = 1
			}
			{
				line[NR] = effective = $0
				sub(/[ \t]*(#.*)?$/, "", effective)
				if (!goes_on) {
					first = NR
					joined = ""
				}
				goes_on = $0 !~ /#/ && effective ~ /\\$/ || goes_on && effective == ""
				sub(/\\$/, "", effective)
				joined = joined " " effective
				if (!goes_on)
					look()
			}
			# It promised to go on, and the file ends.
			END {
				if (goes_on)
					look()
				for (i = 1; i <= NR; i++)
					print (i in loads ? "# pam_jit removed: " : "") line[i]
			}' "$file" >"$new"; then
			if cmp -s "$file" "$new"; then
				rm -f "$new"
				continue
			elif mv -f "$new" "$file"; then
				echo "libpam-jit: $file loaded pam_jit.so; those lines are comments now (# pam_jit removed: ...)."
				continue
			fi
		fi
		rm -f "$new"
		failed=1
		echo "libpam-jit: $file loads pam_jit.so and cannot be changed; take those lines out by hand." >&2
	done
	return "$failed"
}
