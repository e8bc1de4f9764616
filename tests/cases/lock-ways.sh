#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Access is taken away in each way, and cmkfs lock, while a process holds
# descriptors, maps and directories with dirty data: everything fails with its
# errno, a map with SIGBUS; given back, every byte is there without a remount.
. "$(dirname "$0")/../lib/case.sh"

watch_stalls
printf '[host]\ntenant = acme\n' >>"$CMKFS_CONFIG"
cmkfs vault create prod --purge-protection --tenant acme >/dev/null
cmkfs vault create other --purge-protection >/dev/null
cmkfs vault key create local://prod/keys/k >/dev/null
cmkfs vault key create local://other/keys/z >/dev/null
one() { # CIPHER OPTIONS
	mkvol "vol-$1" --cipher "$1" --key local://prod/keys/k 2>/dev/null
	domount "vol-$1" "mnt-$1" -o "$2"
	python3 "$TOP/tests/lib/lock_ways.py" "$PWD/vol-$1" "$PWD/mnt-$1" local://prod/keys/k prod local://other/keys/z
	doumount "mnt-$1"
	domount "vol-$1" "mnt-$1"
	[ "$(find "mnt-$1/world" -type f | wc -l)" = 8 ] || fail "$1: other files after a remount"
	doumount "mnt-$1"
}
one gcm lease=1h
one xts lease=1h,nowriteback
