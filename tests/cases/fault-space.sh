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
		sync -f "$store"
		domount "$store/vol" "$mnt" -o "$options" 2>mount.log || fail "$(cat mount.log)"
		tool fill "$way" "$want" "$mnt" "$store/ballast" || fail "$store, $cipher, $way"
		alive "$mnt"
		doumount "$mnt" 2>umount.log || fail "$store, $cipher, $way: $(cat umount.log)"
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

# ---- full before it is mounted: it can be, so that room can be made ----------------------

for fs in tmpfs ext4 xfs; do
	command -v "mkfs.$fs" >/dev/null || [ $fs = tmpfs ] || continue
	small "brim-$fs" $fs "$([ $fs = xfs ] && echo 320 || echo 40)"
	mkvol "brim-$fs/vol"
	domount "brim-$fs/vol" mnt-brim
	head -c 20M /dev/urandom >mnt-brim/big
	ln mnt-brim/big mnt-brim/link
	mkdir mnt-brim/dir
	echo kept >mnt-brim/dir/kept
	doumount mnt-brim
	for left in 4096 1; do # to the last block, twice
		dd if=/dev/zero of="brim-$fs/ballast" bs=$((left * 16)) oflag=append conv=notrunc,fsync 2>/dev/null || true
	done
	for _ in 1 2; do
		domount "brim-$fs/vol" mnt-brim 2>err || fail "a full $fs cannot be mounted: $(cat err)"
		[ "$(cat mnt-brim/dir/kept)" = kept ] || fail "a full $fs: other contents"
		expect_errno ok read mnt-brim/big
		doumount mnt-brim 2>err || fail "a full $fs: $(cat err)"
	done
	domount "brim-$fs/vol" mnt-brim
	rm mnt-brim/big mnt-brim/link || fail "nothing can be removed from a full $fs"
	echo more >mnt-brim/more || fail "no room after a file of 20 MiB went"
	sync mnt-brim/more
	doumount mnt-brim
	umount "brim-$fs"
done

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
pid=$(cmkfs status --json mnt | json 'd["pid"]')
cpu() {
	awk '{ print $14 + $15 }' "/proc/$pid/stat"
}
tool many "${CMKFS_LONG:+1}2000" mnt >many.log || fail "64 descriptors: $(cat many.log)"
grep -q 'refused: none' many.log || fail "64 descriptors: $(cat many.log)"
tool held 200 mnt || fail "64 descriptors, files held that have no name"
alive mnt
[ "$(awk '/VmRSS/ { print $2 }' "/proc/$pid/status")" -lt 65536 ] || fail "it takes too much memory"
idles() {
	local before
	before=$(cpu)
	sleep 1
	[ $(($(cpu) - before)) -lt 20 ]
}
wait_for 5 idles # when what was put off is done
tool limit mnt || fail "RLIMIT_FSIZE of a caller"
doumount mnt
# A limit of who mounts is none of who writes; unless it cannot be lifted: an error, and on it goes.
(ulimit -S -f 1000 && domount vol mnt && trap - EXIT)
head -c 5M /dev/urandom >big
cp big mnt/big
sync mnt/big
cmp big mnt/big || fail "a daemon with RLIMIT_FSIZE: other contents"
doumount mnt
(ulimit -f 1000 && domount vol mnt && trap - EXIT)
rc=0
cp big mnt/big2 2>err || rc=$?
alive mnt
[ "$rc" = 0 ] || grep -qE 'File too large|Input/output' err || fail "a daemon with a hard limit: $(cat err)"
[ "$rc" != 0 ] || cmp big mnt/big2 || fail "a daemon with a hard limit: other contents"
cmp big mnt/big || fail "a daemon with a hard limit: other contents"
rm mnt/big2
doumount mnt 2>err || [ "$rc" != 0 ] || fail "$(cat err)"
