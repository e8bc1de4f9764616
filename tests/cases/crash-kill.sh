#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The daemon is killed at random moments under a load of every kind of change:
# each mount afterwards is quick, what was acknowledged as synced is there, and
# all else is old or new.  CMKFS_LONG=1: 200 moments; CMKFS_SEED does one again.
. "$(dirname "$0")/../lib/case.sh"
need_fuse
need_root

[ -n "${CMKFS_LONG:-}" ] && rounds=100 || rounds=4
for cipher in gcm xts; do
	mkvol "vol-$cipher" --cipher "$cipher" 2>/dev/null
	mkdir "mnt-$cipher"
	_mounts+=("$PWD/mnt-$cipher")
	python3 "$TOP/tests/lib/crash_run.py" kill "$PWD/vol-$cipher" "$PWD/mnt-$cipher" "$rounds" "$cipher"
done
