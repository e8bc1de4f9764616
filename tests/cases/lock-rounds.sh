#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Revoked and restored again and again within seconds, under load.
. "$(dirname "$0")/../lib/case.sh"

[ -n "${CMKFS_LONG:-}" ] && rounds=500 || rounds=40
cmkfs vault create prod --purge-protection >/dev/null
cmkfs vault key create local://prod/keys/k >/dev/null
mkvol vol --key local://prod/keys/k
domount vol mnt
python3 "$TOP/tests/lib/revoke_rounds.py" "$PWD/mnt" local://prod/keys/k $rounds
doumount mnt
cmkfs fsck vol
