#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The life of a volume under a transit key of OpenBao; then what only this
# server has: one version that is withdrawn, a sealed server, deletion for good.
. "$(dirname "$0")/../lib/case.sh"
. "$TOP/tests/lib/servers.sh"
. "$TOP/tests/lib/openbao.sh"
. "$TOP/tests/lib/provider-vault.sh"
. "$TOP/tests/lib/provider.sh"

provider_life

# ---- a volume that keeps to version 1, and that version alone is withdrawn
cmkfs key set vol "$uri?version=1" >/dev/null
domount vol mnt -o lease=1s
revocations=(version)
life_revoke
doumount mnt

# ---- a sealed server is no denial: grace, with its own words
domount vol mnt -o lease=1s
bao PUT sys/seal
wait_for 5 eval 'cmkfs status mnt | grep -q "is sealed"'
_whole mnt "while the server is sealed"
bao PUT sys/unseal "{\"key\":\"$(cat bao/unseal)\"}" >/dev/null
wait_for 40 eval '! cmkfs status mnt | grep -qi grace'
_whole mnt "after the server was sealed"
doumount mnt

# ---- a deleted key is gone for good
cmkfs key set vol "$uri" >/dev/null
domount vol mnt -o lease=1s
server_revoke deletion
bao DELETE transit/keys/cmk
wait_for 4 eval '[ "$(try list mnt)" = EKEYREVOKED ]'
wait_for 4 eval 'cmkfs status mnt | grep -q "there is no key transit/cmk"'
doumount mnt
expect_error 4 'there is no key transit/cmk' cmkfs mount vol mnt
! bao GET transit/keys/cmk >/dev/null 2>&1 || fail "a key was made by asking for it"
