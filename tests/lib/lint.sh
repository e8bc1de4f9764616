#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The part of `make lint` that is no compiler: shell scripts, manual pages
# (given as arguments), spelling.
set -u
bad=0
run() {
	"$@" || bad=1
}

mapfile -t scripts < <(find tests fs/dist .ci -name '*.sh' -o -path '.ci/run' -o -name '*.bash' | sort)
# SC2154: $out and its like come from lib/case.sh
run shellcheck -x -S warning -e SC2154 -s bash "${scripts[@]}"

for page in "$@"; do
	# STYLE messages about the base system's own pages are not ours.
	out=$(mandoc -T lint "$page" 2>&1)
	[ -z "$out" ] || { echo "$out"; bad=1; }
done

if command -v codespell >/dev/null 2>&1; then
	run codespell -q 3 --skip='*.json,*.bin,./build,./.git,*/corpus/*' -L 'ans,fo,inflight,inout,nd,ro,te,ue' \
		crypto keyprov fs man tests README.md NEWS.md Makefile
fi
[ "$bad" = 0 ] && echo "lint: clean"
exit "$bad"
