#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Everything at once for a while, with locks in between and a reader beside it:
# all contents hold, and memory, descriptors and threads of the daemons stay flat.
. "$(dirname "$0")/../lib/case.sh"
need_fuse
seconds=${CMKFS_LONG:-20}

mkvol vol
domount vol rw
domount vol ro -o ro
pid() {
	cmkfs status --json "$1" | json 'd["pid"]'
}
python3 "$TOP/tests/lib/soak.py" "$PWD/rw" "$PWD/ro" "$seconds" "$(pid rw)" "$(pid ro)" ||
	fail "soak"
doumount ro
doumount rw
cmkfs fsck vol >fsck.log || fail "$(cat fsck.log)"
domount vol rw
for sum in rw/*.sum; do
	cmp "$sum" "${sum%.sum}" || fail "${sum%.sum} after a remount"
done
doumount rw
