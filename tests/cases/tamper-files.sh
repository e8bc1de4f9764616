#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Whatever is changed in the backing files of a GCM volume reads as EIO, and
# never as other bytes; the positions that may change unnoticed are exactly
# those that cmkfs-format(5) leaves open.
. "$(dirname "$0")/../lib/case.sh"
need_fuse

mkvol vol --plain-names
mkdir mnt
_mounts+=("$PWD/mnt")
python3 "$TOP/tests/lib/tamper_volume.py" "$PWD/vol" "$PWD/mnt"
mkvol other --plain-names # a length that lies is found out without a cache as well
python3 "$TOP/tests/lib/tamper_volume.py" "$PWD/other" "$PWD/mnt" lengths nowriteback
