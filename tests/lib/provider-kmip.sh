# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# The hooks of provider.sh for PyKMIP, and the life of a volume there, after
# case.sh, servers.sh, kmip.sh and provider.sh.
need openssl
need_kmip

server_start() {
	local name
	make_ca tls
	for name in server client other; do
		make_cert tls $name
	done
	kmip_setup tls
	kmip_start
	kmip_section
	kmip_policy ALLOW_OWNER
	new_key
	! declare -F other_keys >/dev/null || other_keys
}

new_key() { # in $uid and $uri
	uid=$(kmip_admin make 256 cmk)
	uri=kmip://localhost:$kmip_port/$uid
	expect_error 4 'not active yet' cmkfs key test "$uri"
	kmip_admin activate "$uid"
}

server_replace() {
	retired=$uid
	new_key
}

server_retire() {
	kmip_admin revoke "$retired" ceased
	kmip_admin destroy "$retired"
}

server_again() {
	kmip_start
}

# shellcheck disable=SC2034 # for provider.sh
revocations=(forbidden deactivated compromised destroyed)

server_revoke() { # WAY
	cp kmip/db kept
	case $1 in
	forbidden) kmip_policy DISALLOW_ALL ;;
	deactivated) kmip_admin revoke "$uid" ceased ;;
	compromised) kmip_admin revoke "$uid" compromised ;;
	destroyed)
		kmip_admin revoke "$uid" ceased
		kmip_admin destroy "$uid"
		;;
	esac
	# shellcheck disable=SC2034
	begin=$(revoked_ms)
}

# By the server's log: its client takes a second to start, and it looks for policies once a second.
revoked_ms() {
	date -d "$(sed -n '/operation: \(Revoke\|Destroy\)\|Loading policy: cmk/{s/ - .*//;s/,/./;p}' kmip/log | tail -n 1)" +%s%3N
}

# For the states of a key KMIP itself knows no way back: the server's backup.
server_restore() { # WAY
	if [ "$1" = forbidden ]; then
		kmip_policy ALLOW_OWNER
		return
	fi
	kmip_kill
	cp kept kmip/db
	kmip_start
}

# Another authority vouches for clients; the certificate is replaced in its place.
credential_expire() {
	make_ca tls ca2
	make_cert tls client DNS:client ca2
	_kmip_conf tls/ca2.pem
	kmip_kill
	kmip_start
}

server_throttle() { # on|off
	if [ "$1" = on ]; then kmip_busy ALL; else kmip_busy; fi
}

server_unwraps_fail() { # on|off
	if [ "$1" = on ]; then kmip_busy DECRYPT; else kmip_busy; fi
}

server_calls() {
	grep -c 'Received request' kmip/log || true
}

server_unwraps() {
	grep -c 'Processing operation: Decrypt' kmip/log || true
}

server_secrets() {
	sed -n 2p tls/client.key
}
