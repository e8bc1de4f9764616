#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The permission and semantics suite gives on a mount what it gives on the ext4
# beneath it, as root with several users, and as an ordinary user; what differs
# is in tests/posix/differences with its reason, and in cmkfs(1).
# In a mount namespace of its own, so that an ordinary user finds his way there.
if [ "$(id -u)" = 0 ] && [ -z "${POSIX_INSIDE:-}" ]; then
	POSIX_INSIDE=1 exec unshare -m --propagation private bash "$0"
fi
. "$(dirname "$0")/../lib/case.sh"
need_root
need_fuse
need mkfs.ext4 losetup setpriv fusermount3
[ -x "$O/posix" ] || fail "$O/posix is not built"
user=65534
as_user=(setpriv "--reuid=$user" "--regid=$user" --clear-groups env
	CMKFS_STATE_DIR=/mnt/user/state CMKFS_CONFIG=/mnt/bin/conf)

# /mnt is ours: a filesystem that keeps ACLs and attributes of 64 KiB.
truncate -s 2G image
mkfs.ext4 -qF -O ea_inode image
mount -o loop image /mnt 2>/dev/null || skip "no loop device can be had"
umask 022
mkdir /mnt/bin /mnt/plain /mnt/mnt /mnt/user /mnt/user/state /mnt/user/plain /mnt/user/mnt
install -m 755 "$CMKFS" "$O/posix" /mnt/bin
: >/mnt/bin/conf
chown -R "$user:$user" /mnt/user
chmod 700 /mnt/user/state

# What the suite writes past all sizes is lost, as it should be: umount says so.
unmount() { # MNT COMMAND…
	local m=$1
	shift
	"$@" umount "$m" 2>/dev/null || true
	! is_mounted "$m" || fail "$m is still mounted"
}

/mnt/bin/posix /mnt/plain >plain.txt
mkvol /mnt/vol ${CIPHER:+--cipher "$CIPHER"} 2>/dev/null
domount /mnt/vol /mnt/mnt -o allow_other
chmod 755 /mnt/mnt
/mnt/bin/posix /mnt/mnt >mount.txt
unmount /mnt/mnt cmkfs
runs=(plain.txt mount.txt)

if ! "${as_user[@]}" test -w /dev/fuse; then
	mknod -m 666 fuse c 10 229
	mount --bind fuse /dev/fuse
fi
"${as_user[@]}" /mnt/bin/posix /mnt/user/plain >user-plain.txt
"${as_user[@]}" /mnt/bin/cmkfs init /mnt/user/vol >/dev/null 2>&1
_mounts+=(/mnt/user/mnt)
"${as_user[@]}" /mnt/bin/cmkfs mount /mnt/user/vol /mnt/user/mnt
"${as_user[@]}" /mnt/bin/posix /mnt/user/mnt >user-mount.txt
unmount /mnt/user/mnt "${as_user[@]}" /mnt/bin/cmkfs
runs+=(user-plain.txt user-mount.txt)

[ -z "${KEEP_RUNS:-}" ] || cp "${runs[@]}" "$KEEP_RUNS"
python3 "$TOP/tests/posix/compare.py" "$TOP/tests/posix/differences" "$TOP/man/cmkfs.1" \
	"${runs[@]}" || fail "the mount behaves otherwise"
umount /mnt
