#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# AWS KMS: the life of a volume on a server that keeps the states of keys.
. "$(dirname "$0")/../lib/case.sh"
. "$TOP/tests/lib/servers.sh"
. "$TOP/tests/lib/aws.sh"
. "$TOP/tests/lib/provider.sh"
need_server bin/local-kms
need curl openssl

export HOME=$CASE_DIR/home
mkdir -p "$HOME/.aws"
make_ca "$CASE_DIR/tls"
make_cert "$CASE_DIR/tls" server
id=AKIAIOSFODNN7EXAMPLE secret=wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY

# ---- the life of a volume: local-kms ----------------------------------------------

server_start() {
	printf '[aws]\nca-file = %s/tls/ca.pem\n' "$CASE_DIR" >"$CMKFS_CONFIG"
	printf '[default]\nregion = %s\naws_access_key_id = %s\naws_secret_access_key = %s\n' \
		"$AWS_TEST_REGION" "$id" "$secret" >"$HOME/.aws/credentials"
	chmod 600 "$HOME/.aws/credentials"
	start_local_kms "$CASE_DIR/kms" tls/server.pem tls/server.key
	kms_port=$server_port
	key=$(new_key)
	kms "$kms_port" CreateAlias "{\"AliasName\":\"alias/prod\",\"TargetKeyId\":\"$key\"}"
	uri=awskms://127.0.0.1:$kms_port/alias/prod
}

server_again() {
	start_local_kms "$CASE_DIR/kms" tls/server.pem tls/server.key "$kms_port"
}

new_key() {
	kms "$kms_port" CreateKey '{"KeyUsage":"ENCRYPT_DECRYPT"}' | json 'd["KeyMetadata"]["KeyId"]'
}

# What is followed is the alias, which names another key.
server_rotate() {
	key=$(new_key)
	kms "$kms_port" UpdateAlias "{\"AliasName\":\"alias/prod\",\"TargetKeyId\":\"$key\"}"
}

revocations=(disable delete)

server_revoke() { # WAY
	case $1 in
	disable) kms "$kms_port" DisableKey "{\"KeyId\":\"$key\"}" ;;
	delete) kms "$kms_port" ScheduleKeyDeletion \
		"{\"KeyId\":\"$key\",\"PendingWindowInDays\":7}" >/dev/null ;;
	esac
}

server_restore() { # WAY
	[ "$1" = disable ] || kms "$kms_port" CancelKeyDeletion "{\"KeyId\":\"$key\"}" >/dev/null
	kms "$kms_port" EnableKey "{\"KeyId\":\"$key\"}"
}

server_unwraps() {
	grep -c 'Decryption called' "$CASE_DIR/kms/log"
}

error_answer() { # TYPE: as the real service gives it, which this server never does
	local body="{\"__type\":\"$1\",\"message\":\"by the front\"}"
	printf 'HTTP/1.1 400 Bad Request\r\nContent-Type: application/x-amz-json-1.1\r\n'
	printf 'Connection: close\r\nContent-Length: %d\r\n\r\n%s' ${#body} "$body"
}

server_throttle() { # on|off
	rm -f kms/answer
	[ "$1" = off ] || error_answer ThrottlingException >kms/answer
}

server_unwraps_fail() { # on|off
	printf TrentService.Decrypt >kms/answer-to
	server_throttle "$1"
	[ "$1" = on ] || rm kms/answer-to
}

server_calls() {
	wc -l <kms/calls
}

credential_expire() {
	error_answer ExpiredTokenException >kms/new
	mv kms/new kms/answer-once
}

other_tenant() { # on|off
	case $1 in
	on) printf '[host]\nregion = us-east-1\n' >>"$CMKFS_CONFIG" ;;
	off) sed -i '/^\[host\]/,$d' "$CMKFS_CONFIG" ;;
	esac
}

server_secrets() {
	echo "$secret"
}

provider_life

# ---- keys of the other kinds --------------------------------------------------------

here=awskms://127.0.0.1:$kms_port
made() { # JSON: its ARN
	kms "$kms_port" CreateKey "$1" | json 'd["KeyMetadata"]["Arn"]'
}
rsa=$(made '{"KeySpec":"RSA_2048","KeyUsage":"ENCRYPT_DECRYPT"}')
signing=$(made '{"KeySpec":"ECC_NIST_P256","KeyUsage":"SIGN_VERIFY"}')
cmkfs key test "$here/$rsa" >/dev/null
cmkfs key test "$here/$key" >/dev/null
expect_error 4 'SIGN_VERIFY' cmkfs key test "$here/$signing"
expect_error 4 'NotFoundException' cmkfs key test "$here/alias/none"
mkvol rsa --key "$here/$rsa"
