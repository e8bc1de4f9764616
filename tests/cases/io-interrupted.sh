#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Readers that get signals while they wait for a page, and are killed: each is right,
# nothing of theirs stays in the daemon, and the mount goes on.
. "$(dirname "$0")/../lib/case.sh"

watch_stalls
mkvol vol
domount vol mnt
pid=$(cmkfs status --json mnt | json 'd["pid"]')
round() {
	python3 "$TOP/tests/lib/interrupted.py" "$CASE_DIR/mnt" 3
}
memory() { # KiB
	awk '$1 == "VmRSS:" { print $2 }' "/proc/$pid/status"
}
round
before=$(memory)
round
after=$(memory)
echo "the daemon has $before KiB, then $after KiB"
[ "$after" -lt $((before + 8192)) ] || fail "it grows" # but for buffers that are used for the first time
cmkfs umount mnt # nothing keeps it busy
