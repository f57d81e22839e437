# Comments out every line of PAM's files that loads the module: where it is not there, nobody would get in. Lines that
# a backslash joins go together.
pam_lines_out() {
	failed=0
	for file in /etc/pam.conf /etc/pam.d/*; do
		grep -qs 'pam_jit\.so' "$file" || continue
		file=$(readlink -f "$file")
		new=$file.pam-jit-new
		if cp -a "$file" "$new" && awk '
			{
				line[NR] = effective = $0
				sub(/[ \t]*(#.*)?$/, "", effective)
				if (!goes_on) {
					first = NR
					text = ""
				}
				goes_on = $0 !~ /#/ && effective ~ /\\$/ || goes_on && effective == ""
				sub(/\\$/, "", effective)
				text = text " " effective
				for (i = first; i <= NR && text ~ /[][ \t\/]pam_jit\.so([] \t]|$)/; i++)
					loads[i] = 1
			}
			END {
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
