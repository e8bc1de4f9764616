#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A directory of very many files: created, listed, looked at and removed, beside
# the same in a directory of the backing filesystem; the daemon's memory is
# bounded by what the kernel knows.
. "$(dirname "$0")/../lib/case.sh"
need_fuse
n=${CMKFS_LONG:-10000}

mkdir raw
echo "raw, $n files:"
python3 "$TOP/tests/lib/million.py" "$n" raw || fail "of the backing filesystem"
mkvol vol
domount vol mnt
echo "mount, $n files:"
python3 "$TOP/tests/lib/million.py" "$n" mnt "$(cmkfs status --json mnt | json 'd["pid"]')" ||
	fail "a directory of $n files"
doumount mnt
