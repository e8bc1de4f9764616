# SPDX-License-Identifier: Apache-2.0
# The life of a volume under a key in a KMIP server: PyKMIP, by versions 1.4 and
# 2.0 of the protocol.
. "$(dirname "$0")/../lib/case.sh"
. "$TOP/tests/lib/servers.sh"
. "$TOP/tests/lib/kmip.sh"
. "$TOP/tests/lib/provider.sh"
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
	uid=$(kmip_admin make 256 cmk)
	uri=kmip://localhost:$kmip_port/$uid
	expect_error 4 'not active yet' cmkfs key test "$uri"
	kmip_admin activate "$uid"
	other_keys
}

# What is refused, and other ways to speak.
other_keys() {
	local small
	small=$(kmip_admin make 128)
	kmip_admin activate "$small"
	cmkfs key test "${uri%/*}/$small" >/dev/null
	expect_error 4 'Item Not Found' cmkfs key test "$uri$uid$uid"
	expect_error 2 'not the URI' cmkfs key test "${uri%/*}/a/b"
	kmip_section 'version = 2.0'
	cmkfs key test "$uri" >/dev/null
	kmip_section 'version = 2.1'
	expect_error 5 'Invalid Message' cmkfs key test "$uri"
	kmip_section
	sed -i '/ca-file/d' "$CMKFS_CONFIG"
	expect_error 5 'not who it should be' cmkfs key test "$uri"
	kmip_section
	expect_error 5 'not who it should be' cmkfs key test "kmip://nobody.example:$kmip_port/$uid" \
		< <(echo "connect-to = 127.0.0.1:$kmip_port" >>"$CMKFS_CONFIG")
	kmip_section
	sed -i 's,/client\.,/other.,' "$CMKFS_CONFIG"
	expect_error 4 'Permission Denied' cmkfs key test "$uri"
	chmod 644 tls/other.key
	expect_error 5 'other.key' cmkfs key test "$uri"
	sed -i '/client/d' "$CMKFS_CONFIG"
	expect_error 5 'wants a client certificate' cmkfs key test "$uri"
	kmip_section
}

server_again() {
	kmip_start
}

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

provider_life
kmip_kill
