# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Bash completion: the words come from the command's own table of verbs and
# options, so that there is nothing here to keep up to date.
_cmkfs() {
	local cur=${COMP_WORDS[COMP_CWORD]} words
	words=$("${COMP_WORDS[0]}" help --words -- "${COMP_WORDS[@]:1:COMP_CWORD-1}" 2>/dev/null)
	if [[ $cur == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$(grep '^-' <<<"$words")" -- "$cur")
		return
	fi
	words=$(grep -v '^-' <<<"$words")
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
	# Where no verb can follow, arguments are paths.
	[ -n "$words" ] || compopt -o default
}
complete -F _cmkfs cmkfs
