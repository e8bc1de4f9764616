#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Run what `make check` runs: tests/run.sh [unit] [fuzz] [cases] [long].
#
# unit   each $O/test_* (cmocka); every test function counts as one
# fuzz   each $O/fuzz_* over tests/fuzz/corpus/<name>/
# cases  each tests/cases/*.sh but long-*: exit 0 passed, 77 skipped (the last
#        line says why), anything else failed; each in a temporary directory of
#        its own, with a time limit, and afterwards no mount and no process of
#        it may be left
# long   tests/cases/long-*.sh
#
# CASES=GLOB takes only these cases; KEEP=1 keeps the logs of what passed, LOGS=DIR
# puts copies of all there.
# The last line is `N passed, N failed, N skipped`.
set -u
cd "$(dirname "$0")/.." || exit 2
O=${O:-$PWD/build}
export O PATH="$O:$PATH" CMKFS="$O/cmkfs" TOP="$PWD" CMOCKA_MESSAGE_OUTPUT=TAP
unset CMKFS_STATE_DIR CMKFS_CONFIG XDG_STATE_HOME
suspicious='Sanitizer|runtime error:|Assertion .* failed|stack smashing'
passed=0 failed=0 skipped=0
logs=$(mktemp -d "${TMPDIR:-/tmp}/cmkfs-check.XXXXXX") || exit 2
trap 'rm -rf "$logs/tmp"; [ -z "${LOGS:-}" ] || cp "$logs"/*.log "$LOGS"; [ "$failed" = 0 ] && [ -z "${KEEP:-}" ] && rm -rf "$logs"' EXIT
trap 'echo "interrupted"; exit 130' INT TERM

say() { # WORD NAME NOTE
	printf '%-5s %-44s %s\n' "$1" "$2" "$3"
}

show_log() {
	sed 's/^/      | /' "$1" | tail -n 40
	echo "      | (whole log: $1)"
}

# make has succeeded: a library that it needs is not there.
not_built() { # NAME
	say skip "$1" "not part of this build"
	skipped=$((skipped + 1))
}

# ---- unit tests, two at a time -------------------------------------------------

run_unit() { # BINARY: leaves NAME.log and NAME.rc
	local name=${1##*/}
	# shellcheck disable=SC2086 # the wrapper is a list of words
	timeout -k 5 300 ${TEST_WRAPPER:-} "$1" >"$logs/$name.log" 2>&1
	echo $? >"$logs/$name.rc"
}

count_unit() { # BINARY
	local name=${1##*/} log="$logs/${1##*/}.log" rc ok bad skip
	rc=$(cat "$logs/$name.rc")
	skip=$(grep -ac '^ *\(not \)\?ok [0-9]* # SKIP' "$log")
	ok=$(grep -a '^ *ok [0-9]' "$log" | grep -avc '# SKIP')
	bad=$(grep -a '^ *not ok [0-9]' "$log" | grep -avc '# SKIP')
	passed=$((passed + ok)) skipped=$((skipped + skip)) failed=$((failed + bad))
	if [ "$rc" != 0 ] && [ "$bad" = 0 ]; then
		failed=$((failed + 1)) # died outside a test
	fi
	if [ "$rc" = 0 ]; then
		say ok "$name" "$ok tests$([ "$skip" = 0 ] || echo ", $skip skipped")"
	else
		say FAIL "$name" "exit $rc, $ok passed"
		show_log "$log"
	fi
}

section_unit() {
	local sources=(tests/unit/test_*.c) bin bins=() i=0
	for src in "${sources[@]}"; do
		bin=$O/$(basename "$src" .c)
		[ -e "$src" ] || continue
		if [ -e "$bin" ]; then
			bins+=("$bin")
		else
			not_built "$(basename "$bin")"
		fi
	done
	for bin in "${bins[@]}"; do
		run_unit "$bin" &
		i=$((i + 1))
		[ $((i % 2)) = 0 ] && wait
	done
	wait
	for bin in "${bins[@]}"; do
		count_unit "$bin"
	done
}

# ---- corpus replay ---------------------------------------------------------------

section_fuzz() {
	local src name log
	for src in tests/fuzz/fuzz_*.c; do
		[ -e "$src" ] || continue
		name=$(basename "$src" .c)
		if [ ! -e "$O/$name" ]; then
			not_built "$name"
			continue
		fi
		log="$logs/$name.log"
		if timeout -k 5 120 "$O/$name" "tests/fuzz/corpus/${name#fuzz_}" >"$log" 2>&1; then
			say ok "$name" "$(tail -n 1 "$log")"
			passed=$((passed + 1))
		else
			say FAIL "$name" "exit $?"
			show_log "$log"
			failed=$((failed + 1))
		fi
	done
}

# ---- cases -----------------------------------------------------------------------

# Mounts and processes that a case left behind; ended, and told on stdout.
leaks() { # DIR
	local m p
	while read -r m; do
		echo "left mounted: $m"
		umount -l "$m" 2>/dev/null || fusermount3 -uz "$m" 2>/dev/null
	done < <(awk -v d="$1/" 'index($5, d) == 1 { print $5 }' /proc/self/mountinfo)
	for p in /proc/[0-9]*; do
		# Only what names the case's own directory, which no other process does.
		if tr '\0' ' ' 2>/dev/null <"$p/cmdline" | grep -qF "$1/"; then
			echo "left running: ${p#/proc/} $(tr '\0' ' ' <"$p/cmdline" 2>/dev/null)"
			kill -9 "${p#/proc/}" 2>/dev/null
		fi
	done
}

run_case() { # SCRIPT SECONDS
	local name dir log rc t0 ms left
	name=$(basename "$1" .sh)
	log="$logs/$name.log"
	dir="$logs/tmp/$name"
	mkdir -p "$dir"
	t0=$(date +%s%N)
	# A daemon has no standard error: what a sanitizer says goes to files.
	CASE_DIR="$dir" ASAN_OPTIONS="${ASAN_OPTIONS:-}:log_path=$dir/sanitizer" \
		UBSAN_OPTIONS="${UBSAN_OPTIONS:-}:log_path=$dir/sanitizer" \
		timeout -k 10 "$2" bash "$1" >"$log" 2>&1 </dev/null
	rc=$?
	ms=$((($(date +%s%N) - t0) / 1000000))
	[ "$rc" = 124 ] && echo "timed out after $2 s" >>"$log"
	left=$(leaks "$dir")
	if [ -n "$left" ]; then
		echo "$left" >>"$log"
		[ "$rc" = 0 ] && rc=98
	fi
	# What no log may hold, whatever the case thought of it.
	if cat "$dir"/sanitizer.* >>"$log" 2>/dev/null || grep -aqE "$suspicious" "$log" "$dir"/*.log 2>/dev/null; then
		grep -aE "$suspicious" "$dir"/*.log >>"$log" 2>/dev/null
		[ "$rc" = 0 ] && rc=97
	fi
	rm -rf "$dir"
	case $rc in
	0)
		say ok "$name" "$ms ms"
		passed=$((passed + 1))
		;;
	77)
		say skip "$name" "$(tail -n 1 "$log")"
		skipped=$((skipped + 1))
		;;
	*)
		say FAIL "$name" "exit $rc, $ms ms"
		show_log "$log"
		failed=$((failed + 1))
		;;
	esac
}

section_cases() { # long?
	local c name
	for c in tests/cases/*.sh; do
		[ -e "$c" ] || continue
		name=$(basename "$c" .sh)
		# shellcheck disable=SC2254 # a glob is meant
		case $name in ${CASES:-*}) ;; *) continue ;; esac
		case $name in
		long-*) [ "$1" = long ] && run_case "$c" 1800 ;;
		*) [ "$1" = long ] || run_case "$c" 180 ;;
		esac
	done
}

for section in "${@:-unit}"; do
	case $section in
	unit) section_unit ;;
	fuzz) section_fuzz ;;
	cases) section_cases short ;;
	long) section_cases long ;;
	*)
		echo "run.sh: no section named $section" >&2
		exit 2
		;;
	esac
done

echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
