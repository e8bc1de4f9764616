# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# PyKMIP's server for cases, after servers.sh: mutual TLS 1.2 with certificates
# of the case, its keys in kmip/db.  It is of the system's Python.

need_kmip() {
	need pykmip-server
	cmkfs providers --json | grep -q '"kmip"' || skip "libcurl is not part of this build"
}

_free_port() {
	python3 -Ic 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# Sets $kmip_port.  TLS-DIR has ca.pem, server.pem and client.pem with their keys.
kmip_setup() { # TLS-DIR
	kmip_tls=$1
	kmip_port=$(_free_port)
	mkdir -p kmip/policy
	_kmip_conf "$1/ca.pem"
}

_kmip_conf() { # CA of clients
	cat >kmip/conf <<-CONF
		[server]
		hostname=127.0.0.1
		port=$kmip_port
		certificate_path=$CASE_DIR/$kmip_tls/server.pem
		key_path=$CASE_DIR/$kmip_tls/server.key
		ca_path=$CASE_DIR/$1
		auth_suite=TLS1.2
		enable_tls_client_auth=True
		policy_path=$CASE_DIR/kmip/policy
		database_path=$CASE_DIR/kmip/db
	CONF
}

_kmip_listens() {
	(exec 3<>"/dev/tcp/127.0.0.1/$kmip_port")
}

kmip_start() { # sets $server_pid
	background "$TOP/tests/servers/kmip_server.py" "$CASE_DIR/kmip/busy" \
		-f "$CASE_DIR/kmip/conf" -l "$CASE_DIR/kmip/log" >kmip/out 2>&1
	# shellcheck disable=SC2034 # for the case
	server_pid=$!
	wait_for 15 _kmip_listens
}

# At once, unlike by SIGTERM, which it hears of after ten seconds; with its
# children, one a connection, which outlive it.
kmip_kill() {
	pkill -KILL -f -- "-f $CASE_DIR/kmip/conf "
	wait "$server_pid" 2>/dev/null || true
}

kmip_busy() { # [OPERATION]: see tests/servers/kmip_server.py
	rm -f kmip/busy
	[ $# = 0 ] || { echo "$1" >kmip/busy.new && mv kmip/busy.new kmip/busy; }
}

# What the owner of keys with the policy cmk may do with them.  To PyKMIP Encrypt
# and Decrypt are as Get.  Live once the server has noticed the file.
kmip_policy() { # ALLOW_OWNER|DISALLOW_ALL: of Get
	local before
	before=$(_policies_loaded)
	cat >kmip/policy/cmk.new <<-POLICY
		{"cmk": {"preset": {"SYMMETRIC_KEY": {
		    "GET": "$1", "GET_ATTRIBUTES": "ALLOW_OWNER", "ACTIVATE": "ALLOW_OWNER",
		    "REVOKE": "ALLOW_OWNER", "DESTROY": "ALLOW_OWNER"}}}}
	POLICY
	mv kmip/policy/cmk.new kmip/policy/cmk.json
	wait_for 10 _policy_loaded "$before"
}

_policies_loaded() {
	grep -c 'Loading policy: cmk' kmip/log || true
}

_policy_loaded() { # BEFORE
	[ "$(_policies_loaded)" -gt "$1" ]
}

kmip_admin() { # VERB…: see tests/servers/kmip_admin.py
	"$TOP/tests/servers/kmip_admin.py" "$kmip_port" "$kmip_tls" "$@" 2>kmip/admin ||
		fail "$*: $(tail -n 1 kmip/admin)"
}

kmip_section() { # [LINE…]: the provider's configuration; by $kmip_version, if it is set
	printf '[kmip]\nca-file = %s\nclient-certificate = %s\nclient-key = %s\n' \
		"$CASE_DIR/$kmip_tls/ca.pem" "$CASE_DIR/$kmip_tls/client.pem" \
		"$CASE_DIR/$kmip_tls/client.key" >"$CMKFS_CONFIG"
	printf '%s\n' ${kmip_version:+"version = $kmip_version"} "$@" >>"$CMKFS_CONFIG"
}
