# SPDX-License-Identifier: Apache-2.0
# The life of a volume under a key in Cosmian KMS, a server that nobody here wrote and
# that speaks version 2.1 of KMIP.  It takes ten minutes to build, and is built only
# when it is named: tests/servers/install.sh cosmian_kms.
. "$(dirname "$0")/../lib/case.sh"
. "$TOP/tests/lib/servers.sh"
. "$TOP/tests/lib/kmip.sh"
. "$TOP/tests/lib/provider.sh"
need openssl
need_server bin/cosmian_kms
cmkfs providers --json | grep -q '"kmip"' || skip "libcurl is not part of this build"

admin() { # VERB…: see tests/servers/cosmian_admin.py
	python3 -B "$TOP/tests/servers/cosmian_admin.py" "$kmip_port" "$https_port" tls "$@"
}

server_start() {
	make_ca tls
	make_cert tls server
	make_cert tls client
	openssl pkcs12 -export -in tls/server.pem -inkey tls/server.key -certfile tls/ca.pem \
		-out tls/server.p12 -passout pass:x
	kmip_tls=tls kmip_port=$(_free_port) https_port=$(_free_port)
	# shellcheck disable=SC2034 # for kmip_section
	kmip_version=2.1
	server_again
	kmip_section
	new_key
}

server_again() {
	background "$SERVERS/bin/cosmian_kms" --database-type sqlite --sqlite-path "$PWD/db" \
		--root-data-path "$PWD/data" --hostname 127.0.0.1 --port "$https_port" \
		--socket-server-start --socket-server-hostname 127.0.0.1 \
		--socket-server-port "$kmip_port" --clients-ca-cert-file "$PWD/tls/ca.pem" \
		--tls-p12-file "$PWD/tls/server.p12" --tls-p12-password x >>log 2>&1
	server_pid=$!
	wait_for 30 _kmip_listens
}

new_key() {
	uid=$(admin make)
	uri=kmip://localhost:$kmip_port/$uid
}

server_replace() {
	retired=$uid
	new_key
}

server_retire() {
	admin revoke "$retired"
	admin destroy "$retired"
}

# shellcheck disable=SC2034 # for provider.sh
revocations=(revoked destroyed)

server_revoke() { # WAY
	rm -rf kept
	cp -a db kept
	admin revoke "$uid"
	[ "$1" = revoked ] || admin destroy "$uid"
}

# KMIP knows no way back: the server's backup.
server_restore() {
	kill -KILL "$server_pid"
	wait "$server_pid" || true
	rm -rf db
	cp -a kept db
	server_again
}

server_secrets() {
	sed -n 2p tls/client.key
}

provider_life
stop_server "$server_pid"
