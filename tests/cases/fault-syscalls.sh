#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Each Nth backing call of the daemon fails with EIO or ENOSPC, or is its last:
# the application sees an error or has lost nothing, and after a mount what was
# acknowledged is there.  CMKFS_LONG=1: every N until it passes untouched.
. "$(dirname "$0")/../lib/case.sh"
need_fuse
need_root
need strace
strace -o /dev/null -e inject=getpid:error=EIO:when=1 true 2>/dev/null || skip "strace cannot inject here"

[ -n "${CMKFS_LONG:-}" ] && step=1 limit=800 || step=2 limit=20
for cipher in gcm xts; do
	mkvol "vol-$cipher" --cipher "$cipher" 2>/dev/null
	mkdir "mnt-$cipher"
	_mounts+=("$PWD/mnt-$cipher")
	python3 "$TOP/tests/lib/fault_calls.py" "$PWD/vol-$cipher" "$PWD/mnt-$cipher" "$step" "$limit"
done
