# fish completion for jit. What it offers is read from jit's own --help, which takes a millisecond.

# A line each: the command, a tab, what it does.
function __jit_commands
    jit --help 2>/dev/null | string replace -rf '^  ([a-z]+) +(\S.*)$' '$1\t$2'
end

# The long options of the command that stands on the line.
function __jit_options
    set -l words (commandline -opc)
    jit help $words[2] 2>/dev/null | string match -ar -- '--[a-z][a-z-]*' | sort -u
    echo -- --help
end

# What this login session holds, by its short ids.
function __jit_ids
    jit status --json 2>/dev/null | string match -ar '"shortId":"[0-9A-Z-]*"' | string split -f 4 '"'
end

function __jit_first
    test (count (commandline -opc)) -eq 1
end

function __jit_in
    set -l words (commandline -opc)
    test (count $words) -gt 1; and contains -- $words[2] $argv
end

complete -c jit -f
complete -c jit -n __jit_first -a "(__jit_commands)"
complete -c jit -n __jit_first -a "help --help --version"
complete -c jit -n "not __jit_first; and not __jit_in help; and not contains -- -- (commandline -opc)" -a "(__jit_options)"
complete -c jit -n "__jit_in help" -a "(__jit_commands)"
complete -c jit -n "__jit_in end" -a "(__jit_ids)"
complete -c jit -n "__jit_in env" -l shell -x -a "sh fish json"
complete -c jit -n "__jit_in request" -l for -x -a "15m 30m 1h 4h"
complete -c jit -n "__jit_in exec; and contains -- -- (commandline -opc)" -a "(__fish_complete_subcommand --fcs-skip=2)"
