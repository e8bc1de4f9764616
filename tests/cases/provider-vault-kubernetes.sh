# SPDX-License-Identifier: Apache-2.0
# Logging in to OpenBao as a service account of Kubernetes: OpenBao's own
# auth/kubernetes asks an API server (tests/servers/kubernetes.py) whose token it is.
. "$(dirname "$0")/../lib/case.sh"
. "$TOP/tests/lib/servers.sh"
. "$TOP/tests/lib/openbao.sh"
. "$TOP/tests/lib/provider-vault.sh"
python3 -Ic 'import cryptography' 2>/dev/null || skip "python3-cryptography is not installed"
need_fuse
server_start

# ---- the cluster: an authority of its own, accounts, and who may review tokens
make_ca kube
make_cert kube api
start_server kube python3 -B "$TOP/tests/servers/kubernetes.py" kube kube/api.pem kube/api.key
kube_port=$server_port kube_pid=$server_pid
kube() { # METHOD PATH [JSON]
	curl -sS --fail --cacert kube/ca.pem -H "Authorization: Bearer $(cat kube/admin)" -X "$1" \
		"https://127.0.0.1:$kube_port$2" ${3:+-d "$3"}
}
account() { # NAMESPACE NAME
	kube POST "/api/v1/namespaces/$1/serviceaccounts" "{\"metadata\":{\"name\":\"$2\"}}" >/dev/null
}
account_token() { # NAMESPACE NAME [SECONDS [AUDIENCE]]: as the kubelet asks for it
	kube POST "/api/v1/namespaces/$1/serviceaccounts/$2/token" \
		"{\"spec\":{\"expirationSeconds\":${3:-600}${4:+,\"audiences\":[\"$4\"]}}}" |
		json 'd["status"]["token"]'
}
project() { # …: into the file, as the kubelet does, which others may read
	account_token "$@" >token.new
	mv token.new token
}
account kube-system reviewer
account ml trainer
bao POST sys/auth/kubernetes '{"type":"kubernetes"}'
bao POST auth/kubernetes/config "$(python3 -Ic 'import json, sys
print(json.dumps({"kubernetes_host": sys.argv[1], "kubernetes_ca_cert": open("kube/ca.pem").read(),
    "token_reviewer_jwt": sys.argv[2], "disable_local_ca_jwt": True}))' \
	"https://127.0.0.1:$kube_port" "$(account_token kube-system reviewer)")"
bao POST auth/kubernetes/role/volume '{"bound_service_account_names":["trainer"],
	"bound_service_account_namespaces":["ml"],"audience":"vault","token_policies":["cmk"],
	"token_ttl":"10s"}' >/dev/null
vault_settings 'auth = kubernetes' 'role = volume' "jwt-file = $CASE_DIR/token"
works() {
	cmkfs key test "$uri" >/dev/null || fail "$1"
}
refused() { # WHAT
	expect_error 4 'refuses the login at auth/kubernetes' cmkfs key test "$uri"
	! grep -qF "$(cut -d. -f3 token)" <<<"$out" || fail "$1: the token is told"
}

# ---- the account of the role, by its token for this audience, and nobody else
project ml trainer 600 vault
works "the service account cannot log in"
project ml trainer 600
refused "another audience"
account other trainer
project other trainer 600 vault
refused "another namespace"
account ml stranger
project ml stranger 600 vault
refused "another account"
project ml trainer 1 vault
sleep 2
refused "a token that is over"
project ml trainer 600 vault
cp token good
python3 -Ic 'import sys
head, body, signature = open("good").read().strip().split(".")
print(head, body, signature[:20] + ("A" if signature[20] != "A" else "B") + signature[21:], sep=".")' >token
refused "a token that nobody signed"
mv good token
vault_settings 'auth = kubernetes' 'role = another' "jwt-file = $CASE_DIR/token"
refused "another role"

# ---- where a pod has it
vault_settings 'auth = kubernetes' 'role = volume'
expect_error 5 '/var/run/secrets/kubernetes.io/serviceaccount/token' cmkfs key test "$uri"
if [ "$(id -u)" = 0 ]; then
	unshare -m sh -euc 'd=/var/run/secrets/kubernetes.io/serviceaccount
		mount -t tmpfs none /var/run && mkdir -p $d && cp token $d/token
		exec cmkfs key test "$1" >/dev/null' sh "$uri" || fail "a pod's own token is not found"
else
	echo "left out: the token of a pod (needs root)"
fi
vault_settings 'auth = kubernetes' 'role = volume' "jwt-file = $CASE_DIR/token"

# ---- under a mount: the kubelet replaces the token, logins are made anew from it
project ml trainer 15 vault
mkvol vol --key "$uri"
domount vol mnt -o lease=1s,grace=1h
echo data >mnt/file
project ml trainer 600 vault
sleep 18 # beyond the first token and the first login
ls mnt >/dev/null || fail "the new token was not taken"

# ---- the account is deleted: the next login is refused; one of the same name is another
kube DELETE /api/v1/namespaces/ml/serviceaccounts/trainer >/dev/null
wait_for 20 eval '[ "$(try list mnt)" = EKEYREVOKED ]'
account ml trainer
expect_errno EKEYREVOKED list mnt
project ml trainer 600 vault
wait_for 30 ls mnt
[ "$(cat mnt/file)" = data ] || fail "other bytes"

# ---- no API server: nobody is let in, and OpenBao says no more than that
stop_server "$kube_pid"
refused "no API server"
wait_for 20 eval '[ "$(try list mnt)" = EKEYREVOKED ]'
doumount mnt
! grep -rqaF "$(cut -d. -f3 token)" vol "$CMKFS_STATE_DIR" || fail "a token was written down"
