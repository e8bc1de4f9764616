# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# An OpenBao server of a case, after case.sh and servers.sh.

# In $CASE_DIR/bao, with the certificates of $CASE_DIR/tls; on PORT, or a free
# one.  Sets $bao_port, $bao_pid and $bao_uri, what the URIs of its keys begin with.
start_openbao() { # [PORT]
	need_server bin/bao
	if [ ! -e "$CASE_DIR/tls/bao.pem" ]; then
		[ -e "$CASE_DIR/tls/ca.pem" ] || make_ca "$CASE_DIR/tls"
		make_cert "$CASE_DIR/tls" bao
	fi
	start_server "$CASE_DIR/bao" "$TOP/tests/servers/openbao.sh" "$SERVERS/bin/bao" \
		"$CASE_DIR/bao" "$CASE_DIR/tls/bao.pem" "$CASE_DIR/tls/bao.key" "$@"
	# shellcheck disable=SC2034 # for the case
	bao_port=$server_port bao_pid=$server_pid bao_uri=hashivault://localhost:$server_port
}

# A question with the token that may do all, or $BAO_TOKEN; fails by its status.
bao() { # METHOD PATH [JSON] [curl options…]: the answer on stdout
	local method=$1 path=$2 body=${3:-}
	shift $(($# < 3 ? $# : 3))
	curl -sS --fail-with-body --max-time 60 --cacert "$CASE_DIR/tls/ca.pem" -X "$method" \
		-H "X-Vault-Token: ${BAO_TOKEN:-$(cat "$CASE_DIR/bao/root")}" ${body:+-d "$body"} "$@" \
		"https://127.0.0.1:$bao_port/v1/$path"
}

# The least policy for the key NAME, as POLICY.
bao_policy() { # POLICY NAME [CAPABILITIES of decrypt]
	bao PUT "sys/policies/acl/$1" "$(python3 -Ic 'import json, sys
name, decrypt = sys.argv[1:3]
print(json.dumps({"policy": "".join(
    f"path \"transit/{path}/{name}\" {{ capabilities = [\"{c}\"] }}\n"
    for path, c in (("keys", "read"), ("encrypt", "update"), ("decrypt", decrypt)))}))' "$2" "${3:-update}")"
}

bao_token() { # POLICY [JSON members]: a token on stdout
	bao POST auth/token/create "{\"policies\":[\"$1\"]${2:+,$2}}" | json 'd["auth"]["client_token"]'
}
