#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The guide in cmkfs(7), executed from its very text.
. "$(dirname "$0")/../lib/case.sh"
need_fuse
need awk

[ -d /usr/share/common-licenses ] || skip "/usr/share/common-licenses is not there"
mkdir -p srv mnt/data
_mounts+=("$PWD/mnt/data")
python3 "$TOP/tests/lib/guide.py" "$TOP/man/cmkfs.7" "$PWD"
