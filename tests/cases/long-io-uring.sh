#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The cases that lean on the transport most, each over io_uring.
. "$(dirname "$0")/../lib/case.sh"
need_fuse
need_root
switch=/sys/module/fuse/parameters/enable_uring
[ -w $switch ] || skip "this kernel has no FUSE over io_uring"
was=$(cat $switch)
# shellcheck disable=SC2154 # rc is assigned in the trap
trap 'rc=$?; echo "$was" >$switch; (exit $rc); _cleanup' EXIT
echo Y >$switch
export CASE_CONFIG=$'[mount]\nio-uring = yes'
printf '%s\n' "$CASE_CONFIG" >"$CMKFS_CONFIG"
mkvol vol
domount vol mnt
[ "$(cmkfs status --json mnt | json 'd["transport"]')" = io_uring ] || skip "mounts go over the device"
doumount mnt

for c in crash-kill kill-ways lock-ways lock-hammered lock-rounds tamper-mounted io-operations \
	io-parallel io-shadow io-beside io-huge posix-suite; do
	echo "== $c"
	rc=0
	env -u CASE_DIR bash "$TOP/tests/cases/$c.sh" || rc=$?
	[ "$rc" = 0 ] || [ "$rc" = 77 ] || fail "$c over io_uring"
done
