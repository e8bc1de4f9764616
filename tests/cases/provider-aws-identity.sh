#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# AWS KMS: signatures, policies and every source of credentials, on a server that
# checks them.
. "$(dirname "$0")/../lib/case.sh"
. "$TOP/tests/lib/servers.sh"
. "$TOP/tests/lib/aws.sh"
. "$TOP/tests/lib/provider.sh"
need_fuse
need_server moto/bin/moto_server
need curl openssl

export HOME=$CASE_DIR/home
mkdir -p "$HOME/.aws"
make_ca "$CASE_DIR/tls"
make_cert "$CASE_DIR/tls" server

settings() { # LINE…: the section [aws]
	printf '%s\n' "[aws]" "ca-file = $CASE_DIR/tls/ca.pem" "$@" >"$CMKFS_CONFIG"
}
settings

# ---- identities: a server that checks signatures and policies -------------------------

cat >policy.py <<-'PY'
	USE = ["kms:DescribeKey", "kms:Encrypt", "kms:Decrypt"]
	def policy(actions):
	    return json.dumps({"Version": "2012-10-17", "Statement": [
	        {"Effect": "Allow", "Action": actions, "Resource": "*"}]})
PY
# Six calls are let through; after them the user's own rights count.
start_moto "$CASE_DIR/moto" tls/server.pem tls/server.key 6
moto_port=$server_port
with_boto "$moto_port" >made <<-PY
	$(cat policy.py)
	iam = moto("iam")
	iam.create_user(UserName="u")
	iam.put_user_policy(UserName="u", PolicyName="p", PolicyDocument=policy(USE + ["iam:*", "sts:*"]))
	trust = json.loads(policy(["sts:AssumeRole"]))
	trust["Statement"][0].pop("Resource")
	trust["Statement"][0]["Principal"] = {"AWS": "*"}
	iam.create_role(RoleName="r", AssumeRolePolicyDocument=json.dumps(trust))
	iam.put_role_policy(RoleName="r", PolicyName="p", PolicyDocument=policy(USE))
	k = iam.create_access_key(UserName="u")["AccessKey"]
	key = moto("kms").create_key(KeyUsage="ENCRYPT_DECRYPT")
	print(k["AccessKeyId"], k["SecretAccessKey"], key["KeyMetadata"]["Arn"])
PY
read -r id secret arn <made
uri=awskms://127.0.0.1:$moto_port/$arn

profile() { # ID SECRET [TOKEN]: replaces the file
	printf '[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n' "$1" "$2" >creds.new
	[ $# -lt 3 ] || printf 'aws_session_token = %s\n' "$3" >>creds.new
	chmod 600 creds.new
	mv creds.new "$HOME/.aws/credentials"
}

as_admin() { # ARGUMENT…, program on stdin
	AWS_ACCESS_KEY_ID=$id AWS_SECRET_ACCESS_KEY=$secret with_boto "$moto_port" "$@"
}

user_may() { # ACTION…
	as_admin "$@" <<-PY
		$(cat policy.py)
		moto("iam").put_user_policy(UserName="u", PolicyName="p",
		    PolicyDocument=policy(sys.argv[1:] + ["iam:*", "sts:*"]))
	PY
}

profile "$id" "$secret"
cmkfs key test "$uri" >/dev/null
profile "$id" not-the-secret
expect_error 4 SignatureDoesNotMatch cmkfs key test "$uri"
profile AKIAIOSFODNN7UNKNOWN "$secret"
expect_error 4 InvalidClientTokenId cmkfs key test "$uri"
chmod 644 "$HOME/.aws/credentials"
expect_error 5 'open to others' cmkfs key test "$uri"
AWS_ACCESS_KEY_ID=$id AWS_SECRET_ACCESS_KEY=$secret cmkfs key test "$uri" >/dev/null

# The policy taken away and given back, under a mount.
profile "$id" "$secret"
mkvol iam --key "$uri"
domount iam mnt -o lease=1s,grace=1h
cp -a /usr/share/common-licenses mnt/data
user_may kms:DescribeKey kms:Encrypt
_until EKEYREVOKED mnt 5000 "$(_now_ms)" >/dev/null || fail "a policy without kms:Decrypt does not lock"
cmkfs status mnt | grep -q AccessDenied || fail "no word of the policy"
user_may kms:DescribeKey kms:Encrypt kms:Decrypt
_until ok mnt 20000 "$(_now_ms)" >/dev/null || fail "the policy does not bring it back"

# A key that is replaced in its file is taken up without a remount, before the
# old one ends and after.
read -r id2 secret2 < <(as_admin <<-PY
	k = moto("iam").create_access_key(UserName="u")["AccessKey"]
	print(k["AccessKeyId"], k["SecretAccessKey"])
PY
)
profile "$id2" "$secret2"
as_admin <<<"moto('iam').delete_access_key(UserName='u', AccessKeyId='$id')"
id=$id2 secret=$secret2
for _ in {1..30}; do
	expect_errno ok list mnt
	sleep 0.1
done
profile "$id" not-the-secret
echo "[x]" >>"$HOME/.aws/credentials"
doumount mnt
expect_error 4 SignatureDoesNotMatch cmkfs mount iam mnt
profile "$id" "$secret"

# ---- sessions, and the endpoints that give them ----------------------------------------

as_admin >session <<-'PY'
	c = moto("sts").assume_role(RoleArn="arn:aws:iam::123456789012:role/r",
	                            RoleSessionName="session")["Credentials"]
	print(c["AccessKeyId"], c["SecretAccessKey"], c["SessionToken"])
PY
read -r sid ssecret stoken <session
profile "$sid" "$ssecret" "$stoken"
cmkfs key test "$uri" >/dev/null
profile "$sid" "$ssecret" "${stoken}x"
expect_error 4 'InvalidClientTokenId|InvalidToken' cmkfs key test "$uri"
rm "$HOME/.aws/credentials"

start_server "$CASE_DIR/meta" python3 "$TOP/tests/servers/metadata.py" "$CASE_DIR/meta"
endpoint=http://127.0.0.1:$server_port
give() { # SECONDS: credentials that live for so long
	printf '{"Code":"Success","AccessKeyId":"%s","SecretAccessKey":"%s","Token":"%s","Expiration":"%s"}' \
		"$sid" "$ssecret" "$stoken" "$(date -u -d "+$1 seconds" +%Y-%m-%dT%H:%M:%SZ)" >meta/new
	mv meta/new meta/credentials
}
settings "credentials = instance" "metadata-endpoint = $endpoint"
expect_error 4 'gives no credentials' cmkfs key test "$uri"
give 3600
cmkfs key test "$uri" >/dev/null
# In the order of sources it is the last one.
settings "metadata-endpoint = $endpoint"
cmkfs key test "$uri" >/dev/null
AWS_EC2_METADATA_DISABLED=true expect_error 5 'no credentials' cmkfs key test "$uri"
settings "metadata-endpoint = http://127.0.0.1:1"
expect_error 5 'cannot be reached' cmkfs key test "$uri"
grep -q 'if this is no EC2 instance' <<<"$out" || fail "no word of where to look: $out"
settings "metadata-endpoint = $endpoint"
echo "Bearer of-this-container" >meta/authorization
AWS_EC2_METADATA_DISABLED=true AWS_CONTAINER_CREDENTIALS_FULL_URI=$endpoint/container \
	AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=$CASE_DIR/meta/authorization cmkfs key test "$uri" >/dev/null
AWS_CONTAINER_CREDENTIALS_FULL_URI=$endpoint/container AWS_CONTAINER_AUTHORIZATION_TOKEN=other \
	expect_error 4 'gives no credentials' cmkfs key test "$uri"
# Not to another host without TLS.
AWS_CONTAINER_CREDENTIALS_FULL_URI=http://192.0.2.1/container \
	expect_error 5 'this host and its link' cmkfs key test "$uri"

# Credentials that end are fetched ahead of it, and not in a loop.
give 5
: >meta/calls
begin=$SECONDS
domount iam mnt -o lease=1s,grace=1h
for _ in {1..8}; do
	give 5
	sleep 1
	expect_errno ok list mnt
done
n=$(grep -c 'cmkfs-role' meta/calls)
[ "$n" -ge 2 ] && [ "$n" -le $((2 + (SECONDS - begin) / 2)) ] || fail "credentials of 5 s were fetched $n times in 8 s"
doumount mnt

# ---- web identity, by the form that STS answers in ----------------------------------------

start_moto "$CASE_DIR/open" tls/server.pem tls/server.key 0
uri=awskms://127.0.0.1:$server_port/$(kms "$server_port" CreateKey '{"KeyUsage":"ENCRYPT_DECRYPT"}' |
	json 'd["KeyMetadata"]["Arn"]')
echo eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln >web-identity
settings "sts-endpoint = https://127.0.0.1:$server_port/" \
	"role-arn = arn:aws:iam::123456789012:role/r" "web-identity-token-file = $CASE_DIR/web-identity"
cmkfs key test "$uri" >/dev/null
AWS_EC2_METADATA_DISABLED=true settings "credentials = web-identity"
expect_error 5 'no credentials of AWS from: web-identity' cmkfs key test "$uri"

for s in "$secret" "$ssecret" "$stoken"; do
	! grep -rqaF -- "$s" iam "$CMKFS_STATE_DIR" || fail "a credential was written down"
done
