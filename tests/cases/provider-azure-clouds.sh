# SPDX-License-Identifier: Apache-2.0
# Vaults and managed HSMs in every cloud of Azure: the token is for that cloud's
# service, from that cloud's sign-in, and what is signed is meant for it alone.
. "$(dirname "$0")/../lib/case.sh"
. "$TOP/tests/lib/servers.sh"
. "$TOP/tests/lib/provider-azure.sh"

server_start
azure_identities
serves() { # DOMAIN: that the double is in
	azure_set "\"resource\":\"https://$1\"" >/dev/null
}
signed_in_at() { # prints hosts
	sed -n 's,^[0-9.]* \([^ ]*\) "POST [^ ]*/oauth2/v2.0/token.*,\1,p' azure/log | sort -u
}

for cloud in "${azure_clouds[@]}"; do
	read -r vaults hsms login <<<"$cloud"
	own=()
	for domain in $vaults $hsms; do
		key=https://acme.$domain/keys/cmk
		serves "$domain"
		if [ "$login" = login.cloud.example ]; then
			expect_error 4 'not a vault of Azure' cmkfs key test "$key"
			own=("vault-suffix = $domain" "authority = https://$login")
		fi
		# The double takes only what is for its own service, and a statement for its own URL.
		azure_settings "${own[@]}"
		cmkfs key test "$key" >/dev/null || fail "$domain: not by a managed identity"
		: >azure/log
		azure_settings "${own[@]}" "client-id = $AZURE_CLIENT" "client-certificate = $PWD/client.pem"
		cmkfs key test "$key" >/dev/null || fail "$domain: not by a certificate"
		azure_settings "${own[@]}" "client-id = $AZURE_CLIENT" "client-secret-file = $PWD/secret"
		cmkfs key test "$key" >/dev/null || fail "$domain: not by a secret"
		[ "$(signed_in_at)" = "$login" ] || fail "$domain: signed in at $(signed_in_at)"
		# A challenge for another cloud is not followed: its token would open vaults there.
		: >azure/log
		serves vault.elsewhere.example
		expect_error 4 'a token of another service' cmkfs key test "$key"
		[ -z "$(signed_in_at)" ] || fail "$domain: a secret was sent for another cloud"
	done
	echo "$domain: as $login wants it"
done
