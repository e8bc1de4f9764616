# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# The two servers that speak AWS KMS, after servers.sh: local-kms, which keeps
# the states of keys, and moto, which checks signatures and policies.

AWS_TEST_REGION=eu-west-1

# Sets $server_port, $server_pid.
start_local_kms() { # DIR CERT KEY [PORT]
	need_server bin/local-kms
	mkdir -p "$1/data"
	start_server "$1" env PORT=8080 KMS_DATA_PATH="$1/data" KMS_REGION=$AWS_TEST_REGION \
		python3 "$TOP/tests/servers/front.py" "$1" "$2" "$3" "${4:-0}" 8080 \
		"$SERVERS/bin/local-kms"
}

# The first CALLS calls are let through, for making identities; 0: all are.
start_moto() { # DIR CERT KEY CALLS
	local dir=$1 cert=$2 key=$3 calls=$4
	need_server moto/bin/moto_server
	[ "$calls" = 0 ] || export INITIAL_NO_AUTH_ACTION_COUNT=$calls
	start_server "$dir" python3 "$TOP/tests/servers/front.py" "$dir" "$cert" "$key" 0 8080 \
		"$SERVERS/moto/bin/moto_server" -H 127.0.0.1 -p 8080
	unset INITIAL_NO_AUTH_ACTION_COUNT
}

# One call of KMS with the credentials of the environment: the answer on stdout.
kms() { # PORT OPERATION JSON
	curl -sS --cacert "$CASE_DIR/tls/ca.pem" --aws-sigv4 "aws:amz:$AWS_TEST_REGION:kms" \
		--user "${AWS_ACCESS_KEY_ID:-test}:${AWS_SECRET_ACCESS_KEY:-test}" \
		-H "X-Amz-Target: TrentService.$2" -H 'Content-Type: application/x-amz-json-1.1' \
		--data-binary "$3" "https://127.0.0.1:$1/"
}

# Python with Amazon's own client: moto(SERVICE) makes one for the moto server on
# PORT, with the credentials of the environment.  The program is on stdin.
with_boto() { # PORT ARGUMENT…
	PORT=$1 AWS_ACCESS_KEY_ID=${AWS_ACCESS_KEY_ID:-test} \
		AWS_SECRET_ACCESS_KEY=${AWS_SECRET_ACCESS_KEY:-test} \
		"$SERVERS/moto/bin/python" -c "
import boto3, json, os, sys
def moto(service):
    return boto3.client(service, endpoint_url='https://127.0.0.1:' + os.environ['PORT'],
                        region_name='$AWS_TEST_REGION', verify='$CASE_DIR/tls/ca.pem')
exec(sys.stdin.read())" "${@:2}"
}
