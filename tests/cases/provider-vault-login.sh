#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Every way of logging in to OpenBao: a token that is renewed ahead of its end,
# replaced, revoked; AppRole, JWT and TLS certificates.
. "$(dirname "$0")/../lib/case.sh"
. "$TOP/tests/lib/servers.sh"
. "$TOP/tests/lib/openbao.sh"
. "$TOP/tests/lib/provider-vault.sh"
need_fuse
server_start

put_token() { # TOKEN
	(umask 077 && printf '%s\n' "$1" >token.new)
	mv token.new token
}

# ---- a token of ten seconds outlives a lease of an hour, because it is renewed
put_token "$(bao_token cmk '"ttl":"10s","explicit_max_ttl":"0s"')"
vault_settings "token-file = $CASE_DIR/token"
mkvol vol --key "$uri"
domount vol mnt -o lease=1h
sleep 12
BAO_TOKEN=$(cat token) bao GET auth/token/lookup-self >/dev/null || fail "the token was not renewed"
doumount mnt

# ---- one that was replaced is taken from its file; a revoked one is a denial
domount vol mnt -o lease=1s
old=$(cat token)
put_token "$(bao_token cmk)"
bao POST auth/token/revoke "{\"token\":\"$old\"}"
sleep 2
ls mnt >/dev/null || fail "the new token was not taken"
bao POST auth/token/revoke "{\"token\":\"$(cat token)\"}"
wait_for 10 eval '[ "$(try list mnt)" = EKEYREVOKED ]'
# A server that is just revoking it may call it a policy first.
says_dead() {
	cmkfs status mnt >said && grep -q 'revoked, or has expired' said
}
wait_for 5 says_dead || fail "no word of the token: $(cat said)"
put_token "$(bao_token cmk)"
wait_for 30 ls mnt
doumount mnt
chmod 644 token
expect_error 5 'open to others' cmkfs key test "$uri"
chmod 600 token

# ---- the variables of the tools; verification cannot be turned off
: >"$CMKFS_CONFIG"
export VAULT_ADDR=https://localhost:$bao_port VAULT_CACERT=$CASE_DIR/tls/ca.pem
VAULT_TOKEN=$(cat token) cmkfs key test "$uri" >/dev/null
install -m 600 token .vault-token
HOME=$CASE_DIR cmkfs key test "$uri" >/dev/null
HOME=$CASE_DIR VAULT_CACERT='' VAULT_SKIP_VERIFY=1 expect_error 5 'certificate' cmkfs key test "$uri"
unset VAULT_ADDR VAULT_CACERT

# ---- TLS client certificates
bao POST sys/auth/cert '{"type":"cert"}'
make_cert tls client
python3 -Ic 'import json; print(json.dumps({"certificate": open("tls/ca.pem").read(),
    "allowed_common_names": "client", "token_policies": "cmk"}))' >role
bao POST auth/cert/certs/volume "$(cat role)"
vault_settings 'auth = cert' "client-certificate = $CASE_DIR/tls/client.pem" \
	"client-key = $CASE_DIR/tls/client.key"
cmkfs key test "$uri" >/dev/null
make_cert tls stranger
vault_settings 'auth = cert' "client-certificate = $CASE_DIR/tls/stranger.pem" \
	"client-key = $CASE_DIR/tls/stranger.key"
expect_error 4 'refuses the login at auth/cert' cmkfs key test "$uri"

# ---- tokens of another issuer; Kubernetes: provider-vault-kubernetes.sh
b64url() {
	base64 -w0 | tr '+/' '-_' | tr -d =
}
openssl genrsa -out jwt.key 2048 2>/dev/null
openssl rsa -in jwt.key -pubout -out jwt.pub 2>/dev/null
bao POST sys/auth/jwt '{"type":"jwt"}'
bao POST auth/jwt/config "$(python3 -Ic 'import json
print(json.dumps({"jwt_validation_pubkeys": [open("jwt.pub").read()]}))')" >/dev/null
bao POST auth/jwt/role/volume '{"role_type":"jwt","user_claim":"sub","bound_audiences":["cmkfs"],"token_policies":"cmk"}' >/dev/null
head=$(printf '{"alg":"RS256","typ":"JWT"}' | b64url)
body=$(printf '{"sub":"v","aud":"cmkfs","iat":%d,"nbf":%d,"exp":%d}' $(($(date +%s) - 5)) $(($(date +%s) - 5)) $(($(date +%s) + 600)) | b64url)
echo "$head.$body.$(printf '%s' "$head.$body" | openssl dgst -sha256 -sign jwt.key -binary | b64url)" >jwt
vault_settings 'auth = jwt' 'role = volume' "jwt-file = $CASE_DIR/jwt"
cmkfs key test "$uri" >/dev/null
vault_settings 'auth = jwt' 'role = another' "jwt-file = $CASE_DIR/jwt"
expect_error 4 'refuses the login at auth/jwt' cmkfs key test "$uri"

# ---- what is missing is named
vault_settings 'auth = approle' 'role-id = x'
expect_error 2 'needs secret-id-file' cmkfs key test "$uri"
vault_settings 'auth = approle' 'role-id = x' "secret-id-file = $CASE_DIR/secret-id"
expect_error 4 'invalid role or secret ID' cmkfs key test "$uri"
