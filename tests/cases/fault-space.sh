#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The limits of the machine: the backing store full, by four ways of writing, or
# over its quota, or read-only; too few descriptors; a limit on file sizes.  The
# error reaches the caller, nothing half-made stays, and work goes on after.
. "$(dirname "$0")/../lib/case.sh"
need_fuse
need_root
tool() {
	python3 "$TOP/tests/lib/fault_space.py" "$@"
}
alive() { # MNT
	[ -d "/proc/$(cmkfs status --json "$1" | json 'd["pid"]')" ] || fail "the daemon of $1 is gone"
}

# ---- full -----------------------------------------------------------------------

# A volume in STORE, which is mounted and gets a ballast to give way.
full() { # STORE ERRNO CIPHER MOUNT-OPTIONS WAY…
	local store=$1 want=$2 cipher=$3 options=$4 way mnt=mnt-$1
	shift 4
	mkvol "$store/vol" --cipher "$cipher" 2>/dev/null
	for way in "$@"; do
		head -c 12M /dev/urandom >"$store/ballast"
		head -c 3M /dev/urandom >"$store/reserve" # a mount needs a block of its own
		sync -f "$store"
		domount "$store/vol" "$mnt" -o "$options" 2>mount.log || fail "$(cat mount.log)"
		tool fill "$way" "$want" "$mnt" "$store/ballast" || fail "$store, $cipher, $way"
		alive "$mnt"
		doumount "$mnt" 2>umount.log || fail "$store, $cipher, $way: $(cat umount.log)"
		rm "$store/reserve"
		domount "$store/vol" "$mnt" 2>mount.log || fail "$(cat mount.log)"
		tool sums "$way" "$mnt" || fail "$store, $cipher, $way"
		rm -rf "${mnt:?}/$way"
		doumount "$mnt"
	done
}

small() { # NAME FSTYPE MIB: a small filesystem, mounted at NAME
	mkdir "$1"
	_mounts+=("$PWD/$1")
	if [ "$2" = tmpfs ]; then
		mount -t tmpfs -o "size=${3}m" tmpfs "$1"
		return
	fi
	truncate -s "${3}M" "$1.img"
	"mkfs.$2" -q "$1.img" >/dev/null 2>&1
	mount -t "$2" -o loop "$1.img" "$1" 2>/dev/null || skip "no loop device can be mounted"
}

small tmp-gcm tmpfs 36
full tmp-gcm ENOSPC gcm rw write-4k write-1m mmap tiny
umount tmp-gcm
small tmp-xts tmpfs 36
full tmp-xts ENOSPC xts nowriteback write-4k mmap tiny
umount tmp-xts
small disk ext4 40
full disk ENOSPC gcm rw write-1m tiny
umount disk

# ---- quota -----------------------------------------------------------------------

if command -v mkfs.btrfs >/dev/null && command -v btrfs >/dev/null; then
	small quota btrfs 200
	btrfs quota enable quota
	btrfs subvolume create quota/sub >/dev/null
	btrfs qgroup limit 36M quota/sub
	ln -s quota/sub sub
	full sub EDQUOT gcm rw write-4k tiny
	umount quota
else
	echo "no quota: btrfs-progs is not installed"
fi

# ---- read-only --------------------------------------------------------------------

small fixed tmpfs 20
mkvol fixed/vol
domount fixed/vol mnt-fixed
echo kept >mnt-fixed/file
doumount mnt-fixed
mount -o remount,ro fixed
expect_error 1 '[Rr]ead-only' cmkfs mount fixed/vol mnt-fixed
domount fixed/vol mnt-fixed -o ro
[ "$(cat mnt-fixed/file)" = kept ] || fail "other contents on a read-only backing store"
expect_errno EROFS create mnt-fixed/new
doumount mnt-fixed
umount fixed

# ---- descriptors, sizes -------------------------------------------------------------

mkvol vol
(ulimit -n 64 && domount vol mnt && trap - EXIT)
_mounts+=("$PWD/mnt")
tool many 2000 mnt || fail "64 descriptors"
alive mnt
tool limit mnt || fail "RLIMIT_FSIZE of a caller"
doumount mnt
# Who mounts under a limit of his own: the daemon lives, and the error reaches the writer.
(ulimit -f 1000 && domount vol mnt && trap - EXIT)
head -c 5M /dev/urandom >big
rc=0
cp big mnt/big 2>err || rc=$?
alive mnt
[ "$rc" = 0 ] || grep -qE 'File too large|Input/output' err || fail "a daemon with RLIMIT_FSIZE: $(cat err)"
[ "$rc" != 0 ] || cmp big mnt/big || fail "a daemon with RLIMIT_FSIZE: other contents"
doumount mnt
