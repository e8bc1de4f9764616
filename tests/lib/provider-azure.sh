# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Hooks of provider.sh for the double of Azure (tests/servers/azure.py).  Its
# certificate is for the real names; connect-to sends the calls to it.

# shellcheck disable=SC2034 # for cases
AZURE_TENANT=72f988bf-86f1-41af-91ab-2d7cd011db47
AZURE_CLIENT=11111111-2222-3333-4444-555555555555
# shellcheck disable=SC2034 # for provider.sh
uri=https://prod.vault.azure.net/keys/cmk
# shellcheck disable=SC2034
revocations=(disable policy unwrap firewall delete identity expire early)

azure_http() { # METHOD PATH [BODY]: as the operator
	curl -sS --fail --cacert tls/ca.pem --connect-to "::127.0.0.1:$server_port" -X "$1" \
		-H 'Authorization: Bearer operator' "https://prod.vault.azure.net$2" ${3:+--data-binary "$3"}
}

azure_key() { # METHOD PATH-UNDER-/keys/cmk [BODY]
	azure_http "$1" "/keys/cmk$2?api-version=7.4" "${3:-}" >/dev/null
}

azure_set() { # JSON-MEMBERS of the double's settings
	azure_http POST /_control "{$1}"
}

# shellcheck disable=SC2120 # other cases give lines
azure_settings() { # LINE of [azure]…, beside where the double is
	printf '%s\n' '[azure]' "ca-file = $CASE_DIR/tls/ca.pem" "connect-to = 127.0.0.1:$server_port" \
		"metadata-endpoint = http://127.0.0.1:$(cat azure/metadata.port)" "$@" >"$CMKFS_CONFIG"
}

# Domain of vaults and of managed HSMs, and where one signs in; the last is none that is built in.
azure_clouds=(
	'vault.azure.net managedhsm.azure.net login.microsoftonline.com'
	'vault.usgovcloudapi.net managedhsm.usgovcloudapi.net login.microsoftonline.us'
	'vault.azure.cn managedhsm.azure.cn login.partner.microsoftonline.cn'
	'vault.sovcloud-api.fr managedhsm.sovcloud-api.fr login.sovcloud-identity.fr'
	'vault.sovcloud-api.de managedhsm.sovcloud-api.de login.sovcloud-identity.de'
	'vault.cloud.example managedhsm.cloud.example login.cloud.example'
)

azure_names() { # for the certificate
	local cloud vaults hsms login
	for cloud in "${azure_clouds[@]}"; do
		read -r vaults hsms login <<<"$cloud"
		printf 'DNS:*.%s,DNS:*.%s,DNS:%s,' "$vaults" "$hsms" "$login"
	done
	echo DNS:localhost,IP:127.0.0.1
}

server_again() {
	start_server azure python3 -sEB "$TOP/tests/servers/azure.py" azure tls/azure.pem tls/azure.key
}

server_start() {
	need curl openssl
	python3 -Ic 'import cryptography' 2>/dev/null || skip "python3-cryptography is not installed"
	make_ca tls
	make_cert tls azure "$(azure_names)"
	server_again
	azure_set '"create":{"name":"cmk"}' >/dev/null
	azure_settings
}

# A credential of each kind that the double takes: secret, client.pem, token.
azure_identities() {
	umask 077
	openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=client -keyout tls/client.key \
		-out tls/client.pem 2>/dev/null
	cat tls/client.key tls/client.pem >client.pem
	openssl rand -hex 20 >secret
	printf 'eyJhbGciOiJub25lIn0.%s.sig' "$(openssl rand -hex 200)" >token
	azure_set "\"secret\":\"$(cat secret)\",\"federated\":\"$(cat token)\",\"certificate\":\"$PWD/tls/client.pem\"" >/dev/null
}

server_rotate() {
	azure_key POST /rotate '{}'
}

# The newest version, which the volume is under.
azure_attributes() { # JSON-MEMBERS
	azure_key PATCH "" "{\"attributes\":{$1}}"
}

server_revoke() { # WAY
	case $1 in
	disable) azure_attributes '"enabled":false' ;;
	policy) azure_set "\"policies\":{\"operator\":$azure_operator,\"$AZURE_CLIENT\":[]}" ;;
	unwrap) azure_set "\"policies\":{\"operator\":$azure_operator,\"$AZURE_CLIENT\":[\"get\",\"wrapKey\"]}" ;;
	firewall) azure_set '"firewall":true' ;;
	delete) azure_key DELETE "" ;;
	identity) azure_set '"identity":false,"generation":1' ;; # its tokens end with it
	expire) azure_attributes '"exp":1577836800' ;;
	early) azure_attributes "\"nbf\":$(($(date +%s) + 3600))" ;;
	esac >/dev/null
}

server_restore() { # WAY
	case $1 in
	disable) azure_attributes '"enabled":true' ;;
	policy | unwrap) azure_set "\"policies\":{\"operator\":$azure_operator,\"$AZURE_CLIENT\":[\"get\",\"wrapKey\",\"unwrapKey\"]}" ;;
	firewall) azure_set '"firewall":false' ;;
	delete) azure_http POST '/deletedkeys/cmk/recover?api-version=7.4' ;;
	identity) azure_set '"identity":true' ;;
	expire) azure_attributes '"exp":null' ;;
	early) azure_attributes '"nbf":null' ;;
	esac >/dev/null
}
azure_operator='["get","list","create","update","delete","recover","purge","rotate","wrapKey","unwrapKey"]'

revoked_errno() { # WAY
	case $1 in
	expire | early) echo EKEYEXPIRED ;;
	*) echo EKEYREVOKED ;;
	esac
}

server_throttle() { # on|off
	azure_set "\"throttle\":$([ "$1" = on ] && echo 1 || echo 0)" >/dev/null
}

server_calls() {
	azure_set "" | json 'd["calls"]["all"]'
}

server_unwraps_fail() { # on|off
	azure_set "\"answers\":{$([ "$1" = off ] || echo '"keys.unwrapkey":[503,""]')}" >/dev/null
}

server_unwraps() {
	azure_set "" | json 'd["unwraps"]'
}

credential_expire() { # all tokens that were given
	azure_set '"generation":2' >/dev/null
}

other_tenant() { # on|off
	if [ "$1" = on ]; then
		printf '[host]\ntenant = 00000000-aaaa-bbbb-cccc-dddddddddddd\n' >>"$CMKFS_CONFIG"
	else
		azure_settings
	fi
}

server_secrets() {
	azure_set "" | json '"\n".join(d["tokens"])'
}
