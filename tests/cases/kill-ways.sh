#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A mount ends by SIGKILL, SIGTERM, a lazy unmount, cmkfs umount and an abort,
# with descriptors and maps held and in use: no plaintext afterwards, dirty data
# stored where the end was clean, nothing left, and it mounts again.
. "$(dirname "$0")/../lib/case.sh"
need_fuse
need_root
mount | grep -q /sys/fs/fuse/connections || mount -t fusectl none /sys/fs/fuse/connections || true

for cipher in gcm xts; do
	mkvol "vol-$cipher" --cipher "$cipher" 2>/dev/null
	mkdir "mnt-$cipher"
	_mounts+=("$PWD/mnt-$cipher")
	python3 "$TOP/tests/lib/kill_ways.py" "$PWD/vol-$cipher" "$PWD/mnt-$cipher"
done
