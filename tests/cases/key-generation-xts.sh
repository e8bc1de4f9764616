#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A volume in XTS gets new data keys: beside programs that write, and a read-only
# mount that reads; through the death of the daemon, after which a read-only
# mount reads what was half done; at the end no block is an old one.
. "$(dirname "$0")/../lib/case.sh"
need_fuse
rekey() { python3 "$TOP/tests/lib/rekey.py" "$@"; }
gone() { ! is_mounted "$PWD/mnt"; }

mkvol vol --cipher xts 2>/dev/null
domount vol mnt
rekey fill mnt 20 $((30 << 20))
rekey sums mnt >sums
same() { # MNT WHAT
	rekey sums "$1" >now
	cmp sums now || fail "$2"
}
sync
cp -a --sparse=always vol before

# Killed in the midst.
cmkfs key rotate vol --reencrypt --bandwidth 4M >run.txt 2>&1 &
run=$!
journal() { [ -n "$(ls vol/cmkfs.journal 2>/dev/null)" ]; }
wait_for 10 journal
sleep 0.5
kill -9 "$(cmkfs status --json mnt | json 'd["pid"]')"
! wait $run || fail "it was done before it was killed"
wait_for 10 gone
cmkfs fsck vol
domount vol ro -o ro
same ro "a read-only mount after the death"
domount vol mnt
same mnt "after the death"

# The rest, beside readers and writers.
mkdir mnt/use
cmkfs key rotate vol --reencrypt --bandwidth 10M >run.txt 2>&1 &
run=$!
rekey use mnt/use 4 &
user=$!
while kill -0 $run 2>/dev/null; do
	cmp mnt/big ro/big || fail "a read-only mount beside"
	python3 -c 'import os
for where in ("mnt", "ro"):
    fd = os.open(where + "/big", os.O_RDONLY)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)'
done
wait $run || fail "$(cat run.txt)"
wait $user || fail "who used it meanwhile"
rm -r mnt/use
same mnt "new data keys"
same ro "new data keys, in the read-only mount"
doumount ro
doumount mnt
cmkfs fsck vol
[ -z "$(ls vol/cmkfs.journal)" ] || fail "the journal holds $(ls vol/cmkfs.journal)"
rekey fresh before vol
