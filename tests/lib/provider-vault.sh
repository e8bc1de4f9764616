# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Hooks of provider.sh for OpenBao, after openbao.sh: the key transit/cmk, and
# an AppRole that may use it.

# shellcheck disable=SC2034 # for provider.sh
revocations=(policy soft-delete deletion role mount)

vault_settings() { # LINE of [vault]…, beside where the server is
	printf '%s\n' '[vault]' "address = https://localhost:$bao_port" \
		"ca-file = $CASE_DIR/tls/ca.pem" "$@" >"$CMKFS_CONFIG"
}

new_secret_id() {
	bao POST auth/approle/role/cmkfs/secret-id '{}' | json 'd["data"]["secret_id"]' >secret-id.new
	chmod 600 secret-id.new
	mv secret-id.new secret-id
}

server_start() {
	need curl openssl
	start_openbao
	bao POST sys/mounts/transit '{"type":"transit"}'
	bao POST sys/auth/approle '{"type":"approle"}'
	bao POST transit/keys/cmk '{"type":"aes256-gcm96"}' >/dev/null
	bao_policy cmk cmk
	bao POST auth/approle/role/cmkfs '{"token_policies":["cmk"],"token_ttl":"600s"}'
	bao POST sys/quotas/config '{"enable_rate_limit_audit_logging":true}'
	new_secret_id
	vault_settings 'auth = approle' "secret-id-file = $CASE_DIR/secret-id" \
		"role-id = $(bao GET auth/approle/role/cmkfs/role-id | json 'd["data"]["role_id"]')"
	# shellcheck disable=SC2034
	uri=$bao_uri/transit/keys/cmk
}

server_again() {
	start_openbao "$bao_port"
}

server_rotate() {
	bao POST transit/keys/cmk/rotate >/dev/null
}

# End every token that a login has given.
revoke_logins() {
	bao PUT sys/leases/revoke-prefix/auth/approle
}

server_revoke() { # WAY
	case $1 in
	policy) bao_policy cmk cmk deny ;;
	soft-delete) bao DELETE transit/keys/cmk/soft-delete ;;
	version) bao POST transit/keys/cmk/config '{"min_decryption_version":2}' ;;
	deletion) bao POST transit/keys/cmk/config '{"deletion_allowed":true}' ;;
	role)
		bao POST auth/approle/role/cmkfs/secret-id/destroy "{\"secret_id\":\"$(cat secret-id)\"}"
		revoke_logins ;;
	mount) bao POST sys/remount '{"from":"transit","to":"away"}' ;;
	esac >/dev/null
}

server_restore() { # WAY
	case $1 in
	policy) bao_policy cmk cmk ;;
	soft-delete) bao POST transit/keys/cmk/soft-delete-restore ;;
	version) bao POST transit/keys/cmk/config '{"min_decryption_version":1}' ;;
	deletion) bao POST transit/keys/cmk/config '{"deletion_allowed":false}' ;;
	role) new_secret_id ;;
	mount) bao POST sys/remount '{"from":"away","to":"transit"}' ;;
	esac >/dev/null
}

server_throttle() { # on|off
	if [ "$1" = on ]; then
		bao POST sys/quotas/rate-limit/cmk '{"path":"transit/","rate":0.001,"interval":"3600s"}'
	else
		bao DELETE sys/quotas/rate-limit/cmk
	fi
}

server_unwraps_fail() { # on|off
	if [ "$1" = on ]; then
		bao POST sys/quotas/rate-limit/cmk \
			'{"path":"transit/decrypt/cmk","rate":0.001,"interval":"3600s"}'
		! bao POST transit/decrypt/cmk '{"ciphertext":"vault:v1:AAAA"}' >/dev/null 2>&1 # the one it allows
	else
		bao DELETE sys/quotas/rate-limit/cmk
	fi
}

# Entries of the audit log for which EXPRESSION over r holds.
audited() { # PYTHON-EXPRESSION
	python3 -Ic 'import json, sys
print(sum(1 for line in open(sys.argv[1]) if line.endswith("\n") for r in [json.loads(line)] if eval(sys.argv[2])))' \
		bao/audit.log "$1"
}

server_calls() {
	audited 'r["type"] == "request" and "transit/" in r["request"]["path"]'
}

server_unwraps() {
	audited 'r["type"] == "response" and "/decrypt/" in r["request"]["path"] and not r.get("error")'
}

credential_expire() {
	revoke_logins
}

server_secrets() {
	cat secret-id
}
