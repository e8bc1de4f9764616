#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The certificates of the fault server, in DIR: fault_tls.sh DIR.  The right one
# (server), of the authority ca, and one that is wrong in each way; its clients'.
set -euo pipefail
dir=$1
# shellcheck source=../lib/servers.sh
O=${O:-} . "$(dirname "$0")/../lib/servers.sh"

names='DNS:localhost,IP:127.0.0.1,DNS:*.vault.azure.net,DNS:login.microsoftonline.com'
make_ca "$dir"
make_ca "$dir" other
make_cert "$dir" server "$names"
make_cert "$dir" wrong-ca "$names" other
make_cert "$dir" wrong-host DNS:vault.example,IP:192.0.2.1
_openssl_req "$dir" self-signed -addext "subjectAltName=$names"

# `openssl req` gives no certificate that is over: `openssl x509` makes one.
expired() { # NAME NAMES PURPOSE, with the key of the server
	cp "$dir/server.key" "$dir/$1.key"
	openssl req -new -key "$dir/$1.key" -subj "/CN=$1" -out "$dir/$1.csr" 2>/dev/null
	printf 'subjectAltName=%s\nextendedKeyUsage=%s\n' "$2" "$3" >"$dir/$1.ext"
	openssl x509 -req -in "$dir/$1.csr" -CA "$dir/ca.pem" -CAkey "$dir/ca.key" -days -1 \
		-extfile "$dir/$1.ext" -out "$dir/$1.pem" 2>/dev/null
}
expired expired "$names" serverAuth

# Of clients, for servers that ask for one.
make_cert "$dir" client
make_cert "$dir" client-wrong-ca DNS:client other
expired client-expired DNS:client clientAuth
