#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Every operation gives on a mount what it gives on a plain directory, and what
# it leaves is the same, before and after a remount.
. "$(dirname "$0")/../lib/case.sh"
need_root # allow_other, owners, other users
fsops="$TOP/tests/lib/fsops.py"
tree="$TOP/tests/lib/tree.py"

mkdir plain
python3 "$fsops" "$PWD/plain" >plain.txt

one() { # NAME CIPHER OPTIONS [init options…]
	local name=$1 cipher=$2 options=$3
	shift 3
	mkvol "vol-$name" --cipher "$cipher" "$@" 2>/dev/null
	domount "vol-$name" "mnt-$name" -o "$options"
	chmod 0755 "mnt-$name"
	mkdir "mnt-$name/f"
	python3 "$fsops" "$PWD/mnt-$name/f" >"$name.txt"
	python3 "$fsops" compare plain.txt "$name.txt" || fail "$name: answers differ"
	# Times differ, since the runs were at different times: they are in the answers.
	# What the exceptions left differs as well: the whiteout is in the answers only.
	python3 "$tree" save "mnt-$name/f" "$name.json"
	python3 "$tree" compare --no-times plain "$name.json" || fail "$name: what is left differs"
	doumount "mnt-$name"
	domount "vol-$name" "mnt-$name" -o "$options"
	python3 "$tree" compare "mnt-$name/f" "$name.json" || fail "$name: a remount changed something"
	doumount "mnt-$name"
}

one gcm gcm allow_other
one gcm-nowriteback gcm allow_other,nowriteback --plain-names
one xts xts allow_other
if [ -n "${CMKFS_LONG:-}" ]; then
	one xts-nowriteback xts allow_other,nowriteback
	one one-thread gcm allow_other,threads=1
	one many-threads gcm allow_other,threads=16
	one relaxed gcm allow_other,crash=relaxed
fi
