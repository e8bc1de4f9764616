# SPDX-License-Identifier: Apache-2.0
# mount, status, info, lock, unlock, umount: what they print and return.
. "$(dirname "$0")/../lib/case.sh"
need_fuse

mkvol vol
mkdir mnt
[ "$(cmkfs status --json)" = "[]" ] || fail "status without mounts: $(cmkfs status --json)"
grep -q 'not mounted' <<<"$(cmkfs status vol)"
id=$(cmkfs info --json vol | json 'd["volume"]')
[ "${#id}" = 32 ] || fail "volume ID: $id"
cmkfs info vol/tree >/dev/null # a place in the backing directory
domount vol mnt
echo hello >mnt/file

status() {
	cmkfs status --json mnt | json "$1"
}
[ "$(status 'd["mountpoint"]')" = "$CASE_DIR/mnt" ] || fail "mountpoint"
[ "$(status 'd["vol_id"]')" = "$id" ] || fail "vol_id"
[ "$(status 'd["zones"][0]["state"]')" = unlocked ] || fail "state"
[ "$(cmkfs status --json | json 'len(d)')" = 1 ] || fail "one mount is not one row"
[ "$(cmkfs status --json vol | json 'd["pid"]')" = "$(status 'd["pid"]')" ] || fail "by directory"
[ "$(cmkfs info --json mnt/file | json 'd["volume"]')" = "$id" ] || fail "info by a file in the mount"
cmkfs status >table
grep -q "^$CASE_DIR/mnt .*unlocked" table || fail "$(cat table)"

# Before it has threads it takes its table of descriptors whole, and as root it
# raises what the kernel gives a mount.
pid=$(status 'd["pid"]')
limit=$(awk '/^Max open files/ { print $5 }' "/proc/$pid/limits")
size=$(awk '/^FDSize/ { print $2 }' "/proc/$pid/status")
[ "$size" -ge $((limit < 16384 ? limit : 16384)) ] || fail "a table of $size descriptors, the limit is $limit"
bdi=/sys/class/bdi/$(mountpoint -d mnt)
if [ -w "$bdi/read_ahead_kb" ]; then
	wait_for 5 eval '[ "$(cat "$bdi/read_ahead_kb")" = 1024 ]'
else
	echo "read-ahead is left out: $bdi cannot be written"
fi
if [ -w "$bdi/max_ratio_fine" ]; then # a hundredth by itself, in parts of a million; full at 96 MiB
	wait_for 5 eval '[ "$(cat "$bdi/max_ratio_fine")" -gt 10000 ] || [ "$(cat "$bdi/max_bytes")" -gt 90000000 ]'
	[ "$(cat "$bdi/max_ratio_fine")" -le 41000 ] || [ "$(cat "$bdi/max_bytes")" -lt 110000000 ]
else
	echo "what may be dirty is left out: the kernel has no $bdi/max_ratio_fine"
fi

# Somebody else cannot mount it as well.
mkdir mnt2
expect_error 6 '' cmkfs mount vol mnt2
expect_error 2 '' cmkfs mount vol vol/nowhere

# An operator's lock holds, whatever is open, until he unlocks.
exec 5<mnt/file
grep -q '^locked in' <<<"$(cmkfs lock mnt)"
expect_errno ENOKEY list mnt
expect_errno ENOKEY read mnt/file
[ "$(status 'd["zones"][0]["state"], d["zones"][0]["errno"]')" = "('locked', 'ENOKEY')" ] || fail "locked state"
rc=0
cat <&5 >/dev/null 2>&1 || rc=$?
[ "$rc" != 0 ] || fail "an open descriptor still reads"
cmkfs lock mnt >/dev/null # again: no error
cmkfs unlock mnt
[ "$(cat mnt/file)" = hello ]
expect_error 2 "no zone 'x'" cmkfs lock --zone x mnt
cmkfs lock --zone 0 mnt >/dev/null
cmkfs unlock --zone 0 mnt
exec 5<&-

# Denied by the vault: the operator cannot unlock; a mount is refused, or locked if asked for.
uri=$(cmkfs key show --json vol | json 'd[0]["uri"]')
cmkfs vault key disable "$uri" >/dev/null
wait_for 5 eval '[ "$(try list mnt)" = EKEYREVOKED ]'
expect_error 4 '' cmkfs unlock mnt
pid=$(status 'd["pid"]')
cmkfs umount mnt
[ ! -d "/proc/$pid" ] || grep -q '^State:.Z' "/proc/$pid/status" || [ ! -d "/proc/$pid" ] || fail "umount returned before the daemon had ended"
! mountpoint -q mnt || fail "still mounted"
expect_error 4 'disabled' cmkfs mount vol mnt
! mountpoint -q mnt || fail "mounted with a denied key"
domount vol mnt -o locked
expect_errno EKEYREVOKED list mnt
cmkfs vault key enable "$uri" >/dev/null
wait_for 5 ls mnt
[ "$(cat mnt/file)" = hello ]
doumount mnt

# In the foreground, with the log on standard error; read-only.
_mounts+=("$CASE_DIR/mnt")
background cmkfs mount -f -o ro vol mnt 2>fg.log
wait_for 10 cat mnt/file # the mount is there a moment before its key
[ "$(cat mnt/file)" = hello ]
expect_errno EROFS create mnt/new
wait_for 5 cmkfs status mnt
[ "$(status 'd["mode"]')" = ro ] || fail "mode"
doumount mnt
wait "${_pids[0]}" || fail "the daemon in the foreground ended with $?: $(cat fg.log)"

# XTS says what it cannot do.
cmkfs init --cipher xts xts 2>note >/dev/null
grep -q 'does not detect tampering' note || fail "init is silent about XTS"
[ "$(cmkfs info --json xts 2>/dev/null | json 'd["tamper_detection"]')" = False ] || fail "info of XTS"
grep -q 'does not detect tampering' <<<"$(cmkfs info xts 2>&1)"
mkdir mnt3
domount xts mnt3 2>note
grep -q 'does not detect tampering' note || fail "mount is silent about XTS"
doumount mnt3

# --watch tells every change, and ends with the mount.
domount vol mnt
cmkfs status --watch mnt >watched &
watcher=$!
wait_for 5 grep -q unlocked watched
cmkfs lock mnt >/dev/null
wait_for 5 grep -q 'locked ENOKEY locked by an operator' watched
cmkfs umount mnt
wait "$watcher" || fail "status --watch ended with $?"

# A daemon that died: umount takes away what is left.
domount vol mnt
kill -9 "$(status 'd["pid"]')"
wait_for 5 eval '! cmkfs status --json mnt'
# The janitor may be quicker: then there is nothing left to take.
cmkfs umount mnt 2>umount.log || grep -q 'nothing of cmkfs is mounted' umount.log || ! is_mounted "$PWD/mnt"
! grep -q " $CASE_DIR/mnt " /proc/self/mounts || fail "the dead mount stayed"
domount vol mnt
[ "$(cat mnt/file)" = hello ]
doumount mnt

# ---- --debug shows libfuse's output, in the foreground
cmkfs mount --debug vol mnt >debug.log 2>&1 &
debugged=$!
wait_for 5 is_mounted "$PWD/mnt"
ls mnt >/dev/null
wait_for 5 cmkfs status mnt # the socket is there after the mount
cmkfs umount mnt
wait $debugged || fail "mount --debug: exit $?"
grep -q 'opcode: READDIR' debug.log || fail "--debug says nothing: $(head -3 debug.log)"
