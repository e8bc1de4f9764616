#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# XTS does not detect tampering with contents.  init, info and mount say so; the
# header, the size and the name are authenticated all the same.
. "$(dirname "$0")/../lib/case.sh"

warning='XTS does not detect tampering'
out=$(cmkfs init vol --cipher xts --plain-names 2>&1)
grep -q "$warning" <<<"$out" || fail "init does not say it: $out"
out=$(cmkfs info vol 2>&1)
grep -q "$warning" <<<"$out" || fail "info does not say it: $out"
[ "$(cmkfs info --json vol 2>/dev/null | json 'd["tamper_detection"]')" = False ] ||
	fail "info --json does not say it"
grep -q 'XTS' "$TOP/man/cmkfs-security.7" || fail "cmkfs-security(7) does not say it"
mkdir mnt
_mounts+=("$PWD/mnt")
need_fuse
out=$(cmkfs mount vol mnt 2>&1)
grep -q "$warning" <<<"$out" || fail "mount does not say it: $out"

mkvol gcm --plain-names
out=$(cmkfs info gcm 2>&1)
! grep -q "$warning" <<<"$out" || fail "info says it of a GCM volume"
[ "$(cmkfs info --json gcm | json 'd["tamper_detection"]')" = True ] || fail "info --json of GCM"

head -c 20480 /dev/urandom >mnt/a
for f in b c d e f; do cp mnt/a mnt/$f; done
cp mnt/a plain
doumount mnt

flip() { # FILE OFFSET
	python3 -Ic 'import sys
with open(sys.argv[1], "r+b") as f:
    f.seek(int(sys.argv[2])); b = f.read(1); f.seek(-1, 1); f.write(bytes([b[0] ^ 1]))' "$1" "$2"
}
flip vol/tree/a $((8192 + 4096 + 17)) # contents: noise, in this block alone
flip vol/tree/b $((4096 + 88))        # size, in the header
flip vol/tree/c $((4096 + 110))       # wrapped key
truncate -s 16384 vol/tree/d          # the header counts
mv vol/tree/e vol/tree/swap
mv vol/tree/f vol/tree/e
mv vol/tree/swap vol/tree/f
domount vol mnt
cmp -s <(head -c $((4096)) mnt/a) <(head -c 4096 plain) || fail "another chunk was touched"
cmp -s <(tail -c +8193 mnt/a) <(tail -c +8193 plain) || fail "another chunk was touched"
! cmp -s mnt/a plain || fail "the flipped block reads as it was"
expect_errno EIO read mnt/b
expect_errno EIO read mnt/c
[ "$(wc -c <mnt/d)" = 20480 ] && [ "$(stat -c %s mnt/d)" = 20480 ] || fail "the size follows the backing length"
expect_errno EIO read mnt/e
expect_errno EIO read mnt/f
doumount mnt
