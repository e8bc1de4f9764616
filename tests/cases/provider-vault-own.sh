#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What only Vault and OpenBao have: kinds of keys and their flags, one version
# that is withdrawn, a sealed server, deletion for good, bindings, namespaces.
. "$(dirname "$0")/../lib/case.sh"
. "$TOP/tests/lib/servers.sh"
. "$TOP/tests/lib/openbao.sh"
. "$TOP/tests/lib/provider-vault.sh"
. "$TOP/tests/lib/provider.sh"

life_begin
doumount mnt

allow_key() { # NAME
	bao_policy "cmk-$1" "$1"
	policies=${policies:-cmk},cmk-$1
	bao POST auth/approle/role/cmkfs "{\"token_policies\":\"$policies\"}"
}

make_key() { # NAME JSON
	bao POST "transit/keys/$1" "$2" >/dev/null
	allow_key "$1"
}

# ---- keys that are taken, and those that are not, with what mends it
for type in rsa-2048 rsa-4096 chacha20-poly1305 aes128-gcm96; do
	make_key "$type" "{\"type\":\"$type\"}"
	cmkfs key test "$bao_uri/transit/keys/$type" >/dev/null
done
make_key derived '{"type":"aes256-gcm96","derived":true}'
cmkfs key test "$bao_uri/transit/keys/derived" >tested
grep -q '^binding  *ok .*refused' tested || fail "a derived key binds nothing"
make_key ed25519 '{"type":"ed25519"}'
expect_error 4 'type ed25519, which cannot wrap' cmkfs key test "$bao_uri/transit/keys/ed25519"
make_key open '{"type":"aes256-gcm96","exportable":true}'
expect_error 4 'can leave the server: exportable' cmkfs key test "$bao_uri/transit/keys/open"
make_key backup '{"type":"aes256-gcm96","allow_plaintext_backup":true}'
expect_error 4 'allow_plaintext_backup' cmkfs key test "$bao_uri/transit/keys/backup"
bao POST transit/keys/derived/config '{"deletion_allowed":true}' >/dev/null
expect_error 4 'deletion_allowed=false' cmkfs key test "$bao_uri/transit/keys/derived"
expect_error 4 'policy of the token' cmkfs key test "$bao_uri/transit/keys/none"
allow_key none
expect_error 4 'no key transit/none' cmkfs key test "$bao_uri/transit/keys/none"
expect_error 4 'has no version 9' cmkfs key test "$uri?version=9"
expect_error 4 'no server that may be given our credentials' \
	cmkfs key test "hashivault://127.0.0.1:$bao_port/transit/keys/cmk"

# ---- more than is needed is said; without reading, wrapping or unwrapping it is refused
bao PUT sys/policies/acl/cmk '{"policy":"path \"transit/*\" { capabilities = [\"read\",\"update\"] }"}'
cmkfs key test "$uri" | grep -q 'more than is needed' || fail "a wide policy is not said"
for lacking in keys encrypt decrypt; do
	bao_policy cmk cmk
	bao PUT sys/policies/acl/less "{\"policy\":\"path \\\"transit/$lacking/cmk\\\" { capabilities = [\\\"deny\\\"] }\"}"
	bao POST auth/approle/role/cmkfs '{"token_policies":"cmk,less"}'
	expect_error 4 'policy' cmkfs key test "$uri"
done
bao POST auth/approle/role/cmkfs '{"token_policies":"cmk"}'

# ---- a volume that keeps to version 1, and that version alone is withdrawn
server_rotate
cmkfs key set vol "$uri?version=1" >/dev/null
domount vol mnt -o lease=1s
# shellcheck disable=SC2034 # for life_revoke
revocations=(version)
life_revoke

# ---- a sealed server is no denial: grace, with its own words
bao PUT sys/seal
wait_for 20 eval 'cmkfs status --json mnt | grep -q "is sealed"'
_whole mnt "while the server is sealed"
echo "goes on sealed"
bao PUT sys/unseal "{\"key\":\"$(cat bao/unseal)\"}" >/dev/null
wait_for 40 eval '! cmkfs status mnt | grep -qi grace'
_whole mnt "after the server was sealed"
doumount mnt

# ---- a key in a namespace, by the setting and by the path
bao POST sys/namespaces/team >/dev/null
bao POST sys/mounts/transit '{"type":"transit"}' -H 'X-Vault-Namespace: team'
bao POST transit/keys/cmk '{"type":"aes256-gcm96"}' -H 'X-Vault-Namespace: team' >/dev/null
cp "$CMKFS_CONFIG" approle.conf
install -m 600 bao/root token
vault_settings "token-file = $CASE_DIR/token" 'namespace = team'
cmkfs key test "$uri" >/dev/null
vault_settings "token-file = $CASE_DIR/token" 'namespace = other'
expect_error 4 'namespace' cmkfs key test "$uri"
vault_settings "token-file = $CASE_DIR/token"
cmkfs key test "$bao_uri/team/transit/keys/cmk" >/dev/null
cp approle.conf "$CMKFS_CONFIG"

# ---- a deleted key is gone for good, and not made anew by asking for it
cmkfs key set vol "$uri" >/dev/null
domount vol mnt -o lease=1s
server_revoke deletion
bao DELETE transit/keys/cmk
wait_for 10 eval '[ "$(try list mnt)" = EKEYREVOKED ]'
wait_for 10 eval 'cmkfs status mnt | grep -q "there is no key transit/cmk"'
doumount mnt
expect_error 4 'there is no key transit/cmk' cmkfs mount vol mnt
! bao GET transit/keys/cmk >/dev/null 2>&1 || fail "a key was made by asking for it"
