#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Who asks Azure for a key, and what is refused: every kind of identity, good and
# bad; keys and vaults that may not protect; answers that are none.
. "$(dirname "$0")/../lib/case.sh"
. "$TOP/tests/lib/servers.sh"
. "$TOP/tests/lib/provider-azure.sh"

server_start
azure_identities
metadata=http://127.0.0.1:$(cat azure/metadata.port)
sign_ins() {
	azure_set "" | json 'd["calls"].get("sign-in", 0)'
}
works() { # COMMAND-PREFIX…
	"$@" cmkfs key test "$uri" >/dev/null || fail "not taken: $*"
}
refused() { # EXIT PATTERN [COMMAND-PREFIX…]
	local code=$1 pattern=$2
	shift 2
	expect_error "$code" "$pattern" "$@" cmkfs key test "$uri"
	! grep -qF -e "$(cat secret)" -e "$(cat token)" <<<"$out" || fail "a secret is told: $out"
}

# ---- managed identities: a virtual machine, App Service, Arc
works env
azure_settings "client-id = $AZURE_CLIENT"
works env
azure_settings 'identity-resource-id = /subscriptions/s/mi'
works env
azure_settings 'client-id = 00000000-0000-0000-0000-000000000000'
refused 4 'no managed identity: invalid_request'
azure_settings
azure_set '"identity":false' >/dev/null
refused 4 'no managed identity'
azure_set '"identity":true' >/dev/null
works env "IDENTITY_ENDPOINT=$metadata/msi/token" IDENTITY_HEADER=header-of-the-run
refused 4 'no managed identity' env "IDENTITY_ENDPOINT=$metadata/msi/token" IDENTITY_HEADER=wrong
# Without TLS nobody but this host and its link is asked, whatever the variable says.
refused 5 'this host and its link' env IDENTITY_ENDPOINT=http://192.0.2.1/msi/token IDENTITY_HEADER=x
azure_set '"arc_key":"c2VjcmV0","arc_file":"/var/opt/azcmagent/tokens/a.key"' >/dev/null
arc=(env "IDENTITY_ENDPOINT=$metadata/arc/token" "IMDS_ENDPOINT=$metadata")
in_arc() { # where Arc's agent has written its file
	unshare -m sh -euc 'mount -t tmpfs none /var/opt; mkdir -p /var/opt/azcmagent/tokens
		printf c2VjcmV0 >/var/opt/azcmagent/tokens/a.key; exec "$@"' sh "$@"
}
if [ "$(id -u)" = 0 ]; then
	works in_arc "${arc[@]}"
else
	echo "left out: Arc's file (needs root)"
fi
azure_set '"arc_file":"/etc/hostname"' >/dev/null
refused 4 'not of Arc' "${arc[@]}"

# ---- a secret
azure_settings "client-id = $AZURE_CLIENT" "client-secret-file = $PWD/secret"
works env
chmod 644 secret
refused 5 'open to others'
chmod 600 secret
echo wrong >other
azure_settings "client-id = $AZURE_CLIENT" "client-secret-file = $PWD/other"
refused 4 'refuses the identity: invalid_client'
azure_settings
works env "AZURE_CLIENT_ID=$AZURE_CLIENT" "AZURE_CLIENT_SECRET=$(cat secret)"
azure_settings "client-secret-file = $PWD/secret"
refused 4 'client-id is not set'

# ---- a certificate, and another issuer's token, which is read anew each time
azure_settings "client-id = $AZURE_CLIENT" "client-certificate = $PWD/client.pem"
works env
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=client -keyout other.key -out other.crt 2>/dev/null
cat other.key other.crt >other.pem
azure_settings "client-id = $AZURE_CLIENT" "client-certificate = $PWD/other.pem"
refused 4 'invalid_client'
azure_settings "client-id = $AZURE_CLIENT" "federated-token-file = $PWD/token"
works env
cp token token.good
echo eyJhbGciOiJub25lIn0.e30.x >token
refused 4 'invalid_client'
cp token.good token
works env

# ---- what the environment cannot do
works env "SSLKEYLOGFILE=$PWD/keylog" https_proxy=http://192.0.2.1:1 http_proxy=http://192.0.2.1:1
[ ! -s keylog ] || fail "the keys of a TLS session were written down"

# ---- tenants, and challenges that lead elsewhere
azure_settings 'tenant-id = 00000000-aaaa-bbbb-cccc-dddddddddddd'
refused 4 'belongs to tenant'
azure_settings "client-id = $AZURE_CLIENT" "client-secret-file = $PWD/secret"
azure_set '"resource":"https://management.azure.com"' >/dev/null
before=$(sign_ins)
refused 4 'a token of another service'
[ "$(sign_ins)" = "$before" ] || fail "a credential was sent for another service"
azure_set '"resource":"https://vault.azure.net"' >/dev/null
expect_error 4 'not a vault of Azure' cmkfs key test https://prod.vault.azure.com/keys/cmk
azure_settings "client-id = $AZURE_CLIENT" "client-secret-file = $PWD/secret" 'authority = http://login.microsoftonline.com'
refused 4 'no https URL'

# ---- another authority's certificate, and a host that is not on it
make_ca tls other
azure_settings
sed -i "s,^ca-file.*,ca-file = $PWD/tls/other.pem," "$CMKFS_CONFIG"
refused 5 'not who it should be'
azure_settings 'vault-suffix = azure.com'
expect_error 5 'not who it should be' cmkfs key test https://prod.vault.azure.com/keys/cmk
printf '[azure]\nverify = no\n' >"$CMKFS_CONFIG"
refused 2 'unknown key'

# ---- keys and vaults that may not protect a volume
azure_settings
created() { # NAME JSON-MEMBERS
	azure_set "\"create\":{\"name\":\"$1\",$2}" >/dev/null
}
created short '"size":1024'
created curve '"kty":"EC"'
created hard '"kty":"RSA-HSM"'
created large '"size":4096'
created bound '"ops":["encrypt","wrapKey"]'
of() { # EXIT PATTERN KEY
	expect_error "$1" "$2" cmkfs key test "https://prod.vault.azure.net/keys/$3"
}
of 4 '1024 bits' short
of 4 'type EC' curve
of 4 'not made for unwrapKey' bound
of 4 'there is no key' none
cmkfs key test https://prod.vault.azure.net/keys/hard >/dev/null
cmkfs key test https://prod.vault.azure.net/keys/large >/dev/null
azure_set '"recovery":"Recoverable+Purgeable"' >/dev/null
refused 4 'no purge protection'
azure_set '"recovery":"Purgeable"' >/dev/null
refused 4 'no soft delete'
azure_set '"recovery":"CustomizedRecoverable"' >/dev/null
works env
for right in get wrapKey unwrapKey; do
	rest=$(sed "s/\"$right\"//; s/,,/,/; s/^,//; s/,\$//" <<<'"get","wrapKey","unwrapKey"')
	azure_set "\"policies\":{\"operator\":$azure_operator,\"$AZURE_CLIENT\":[$rest]}" >/dev/null
	refused 4 "does not grant this identity $right"
	grep -q -- "--assignee $AZURE_CLIENT" <<<"$out" || fail "whom to grant it is not told: $out"
done
server_restore policy

# ---- answers that are none: an error, and never a key
answers() { # OPERATION STATUS TEXT
	azure_set "\"answers\":{\"$1\":[$2,$(python3 -Ic 'import json, sys; print(json.dumps(sys.argv[1]))' "$3")]}" >/dev/null
}
kid=https://prod.vault.azure.net/keys/cmk/$(azure_http GET "/keys/cmk?api-version=7.4" | json 'd["key"]["kid"].rsplit("/", 1)[1]')
other=${kid%?}$([ "${kid: -1}" = 0 ] && echo 1 || echo 0)
for text in '' null '<html>' '{' '{"kid":1}' "{\"kid\":\"$kid\"}" "{\"kid\":\"$kid\",\"value\":\"AA==\"}" \
	"{\"kid\":\"$kid\",\"value\":\"AAAA\"}" "{\"kid\":\"$kid\",\"kid\":\"$kid\",\"value\":\"AAAA\"}" \
	"{\"kid\":\"$other\",\"value\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}"; do
	answers keys.unwrapkey 200 "$text"
	refused 5 unintelligible
done
# 32 bytes of another key.
answers keys.unwrapkey 200 "{\"kid\":\"$kid\",\"value\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}"
refused 4 'does not unwrap what it wrapped'
answers keys.wrapkey 200 "{\"kid\":\"$kid\",\"value\":\"AAAA\"}"
refused 4 'not wrapped by'
answers keys 302 ''
refused 5 'redirects'
for status in 500 502 503 504 429; do
	answers keys "$status" ''
	refused 5 'busy|throttles'
done
answers keys 403 '<html>'
refused 5 'unintelligible'
azure_set '"answers":{}' >/dev/null
works env
