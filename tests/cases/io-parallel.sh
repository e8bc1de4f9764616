#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Several processes at one file and one directory: writes of the same chunk,
# appends, maps, O_DIRECT, truncation, locks, renames, listings; what is there
# afterwards is there after a remount.
. "$(dirname "$0")/../lib/case.sh"

scale=1
[ -z "${CMKFS_LONG:-}" ] || scale=15
one() { # NAME CIPHER OPTIONS [no-maps]
	mkvol "vol-$1" --cipher "$2" 2>/dev/null
	domount "vol-$1" "mnt-$1" -o "$3"
	echo "$1:"
	python3 "$TOP/tests/lib/parallel.py" "$PWD/mnt-$1" $scale ${4:+"$4"}
	python3 "$TOP/tests/lib/tree.py" save "mnt-$1" "$1.json"
	doumount "mnt-$1"
	domount "vol-$1" "mnt-$1" -o "$3"
	python3 "$TOP/tests/lib/tree.py" compare "mnt-$1" "$1.json" || fail "$1: a remount changed something"
	doumount "mnt-$1"
}
mkdir plain && python3 "$TOP/tests/lib/parallel.py" "$PWD/plain" 1 >/dev/null
one gcm gcm rw
one xts xts nowriteback no-maps
