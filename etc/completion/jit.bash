# bash completion for jit and jit-broker. What they offer is read from their own --help, which takes a millisecond.

# The commands of program $1.
__jit_commands() {
	"$1" --help 2>/dev/null | sed -n 's/^  \([a-z][a-z]*\)  *[^ ].*/\1/p'
}

# The long options that a help text on standard input names.
__jit_options() {
	grep -o -e '--[a-z][a-z-]*' | sort -u
	echo --help
}

# What this login session holds, by its short ids.
__jit_ids() {
	jit status --json 2>/dev/null | grep -o '"shortId":"[0-9A-Z-]*"' | cut -d '"' -f 4
}

__jit_offer() {
	mapfile -t COMPREPLY < <(compgen -W "$1" -- "$2")
}

_jit() {
	local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} command=${COMP_WORDS[1]} i
	COMPREPLY=()
	if [ "$COMP_CWORD" -eq 1 ]; then
		__jit_offer "$(__jit_commands jit) help --help --version" "$current"
		return
	fi
	if [ "$command" = exec ]; then
		for ((i = 2; i < COMP_CWORD; i++)); do
			[ "${COMP_WORDS[i]}" = -- ] || continue
			if [ "$i" -eq "$((COMP_CWORD - 1))" ]; then
				mapfile -t COMPREPLY < <(compgen -c -- "$current")
			else
				mapfile -t COMPREPLY < <(compgen -f -- "$current")
			fi
			return
		done
	fi
	case $before in
	--socket) mapfile -t COMPREPLY < <(compgen -f -- "$current") ;;
	--shell) __jit_offer "sh fish json" "$current" ;;
	--for) __jit_offer "15m 30m 1h 4h" "$current" ;;
	--role | --reason | --ticket | --hosts) ;;
	*)
		case $command in
		help) __jit_offer "$(__jit_commands jit)" "$current" ;;
		end) __jit_offer "$(jit help end 2>/dev/null | __jit_options) $(__jit_ids)" "$current" ;;
		exec) __jit_offer "$(jit help exec 2>/dev/null | __jit_options) --" "$current" ;;
		*) __jit_offer "$(jit help "$command" 2>/dev/null | __jit_options)" "$current" ;;
		esac
		;;
	esac
}

_jit_broker() {
	local current=${COMP_WORDS[COMP_CWORD]}
	COMPREPLY=()
	if [ "$COMP_CWORD" -eq 1 ]; then
		__jit_offer "$(__jit_commands jit-broker) --help --version" "$current"
	elif [[ $current == -* ]]; then
		__jit_offer "$(jit-broker "${COMP_WORDS[1]}" --help 2>&1 </dev/null | __jit_options)" "$current"
	else
		mapfile -t COMPREPLY < <(compgen -f -- "$current")
	fi
}

complete -F _jit jit
complete -F _jit_broker jit-broker
