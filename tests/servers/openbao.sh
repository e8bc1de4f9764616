#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# An OpenBao server: openbao.sh BAO DIR CERT KEY [PORT].
#
# Becomes the server, on PORT or a free port of 127.0.0.1, with storage in DIR:
# started there again it has its keys again.  Initialises and unseals it, and
# then, when it serves, writes DIR/port.  Beside it: DIR/root (a token that may do all),
# DIR/unseal (the key), DIR/log, DIR/audit.log.
set -euo pipefail
bao=$1 dir=$2 cert=$3 key=$4 port=${5:-0}
mkdir -p "$dir/data"
cat >"$dir/conf.hcl" <<-EOF
	storage "raft" {
	  path = "$dir/data"
	  node_id = "one"
	  performance_multiplier = 1
	}
	api_addr = "https://127.0.0.1:$port"
	cluster_addr = "https://127.0.0.1:$((port + 1))"
	listener "tcp" {
	  address = "127.0.0.1:$port"
	  tls_cert_file = "$cert"
	  tls_key_file = "$key"
	}
	audit "file" "tofile" { options { file_path = "$dir/audit.log" } }
EOF

put() { # PATH JSON
	curl -sS --fail --cacert "${cert%/*}/ca.pem" -X PUT -d "$2" "https://127.0.0.1:$port/v1/$1"
}

field() { # PYTHON-EXPRESSION over d
	python3 -Ic 'import json, sys; print(eval(sys.argv[1], {"d": json.load(sys.stdin)}))' "$1"
}

until_it_does() { # COMMAND…
	until "$@"; do
		kill -0 $$ || exit 1
		sleep 0.03
	done
}

# Its second port, which it tells, is the next one to the first.
find_port() {
	port=$(sed -n 's/.*cluster address: "127.0.0.1:\([0-9]*\)".*/\1/p' "$dir/log")
	[ -n "$port" ] && port=$((port - 1))
}

initialise() {
	put sys/init '{"secret_shares":1,"secret_threshold":1}' >"$dir/init"
}

unseal() {
	put sys/unseal "{\"key\":\"$(cat "$dir/unseal")\"}" >/dev/null
}

active() {
	curl -sS --fail --cacert "${cert%/*}/ca.pem" "https://127.0.0.1:$port/v1/sys/health" >/dev/null
}

set_up() {
	until_it_does find_port
	if [ ! -s "$dir/unseal" ]; then
		until_it_does initialise
		field 'd["keys"][0]' <"$dir/init" >"$dir/unseal"
		field 'd["root_token"]' <"$dir/init" >"$dir/root"
	fi
	until_it_does unseal
	until_it_does active
	echo "$port" >"$dir/port.new"
	mv "$dir/port.new" "$dir/port"
}

: >"$dir/log"
set_up 2>"$dir/setup.log" &
exec "$bao" server -config="$dir/conf.hcl" >>"$dir/log" 2>&1
