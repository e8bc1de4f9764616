#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The filesystem below is shut down at random moments under a load of every kind
# of change, as by a power cut: what was acknowledged as synced is there, names
# too, and all else is old or new.  CMKFS_LONG=1: 100 moments; CMKFS_SEED does
# one again.
. "$(dirname "$0")/../lib/case.sh"
need_fuse
need_root

[ -n "${CMKFS_LONG:-}" ] && rounds=50 || rounds=4
done=0
for fstype in ext4 xfs; do
	if ! command -v "mkfs.$fstype" >/dev/null; then
		echo "mkfs.$fstype is not installed"
		continue
	fi
	for cipher in gcm xts; do
		[ "$fstype-$cipher" = xfs-xts ] && [ -z "${CMKFS_LONG:-}" ] && continue
		name=$fstype-$cipher
		mkdir "store-$name" "mnt-$name"
		truncate -s 400M "image-$name"
		"mkfs.$fstype" -q "image-$name"
		mount -t "$fstype" -o loop "image-$name" "store-$name" 2>/dev/null ||
			skip "no loop device can be mounted"
		_mounts=("$PWD/mnt-$name" "$PWD/store-$name")
		mkvol "store-$name/vol" --cipher "$cipher" 2>/dev/null
		python3 "$TOP/tests/lib/crash_run.py" cut "$PWD/store-$name/vol" "$PWD/mnt-$name" \
			"$rounds" "$cipher" "$PWD/image-$name" "$fstype"
		umount "store-$name"
		rm "image-$name"
		done=1
	done
done
[ "$done" = 1 ] || skip "neither mkfs.ext4 nor mkfs.xfs is installed"
