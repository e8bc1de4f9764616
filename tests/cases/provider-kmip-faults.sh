# SPDX-License-Identifier: Apache-2.0
# A KMIP server that answers wrongly, slowly or not at all: an error within the
# deadline, of the right kind, and no crash.
. "$(dirname "$0")/../lib/case.sh"
. "$TOP/tests/lib/servers.sh"
. "$TOP/tests/lib/kmip.sh"
need openssl
cmkfs providers --json | grep -q '"kmip"' || skip "libcurl is not part of this build"

make_ca tls
for name in server client; do
	make_cert tls $name
done
kmip_tls=tls
kmip_section
mkdir wrong
echo 'get reply 1.4' >wrong/mode
start_server wrong python3 "$TOP/tests/servers/kmip_wrong.py" wrong tls "$TOP/tests/vectors/kmip.json"
uri=kmip://localhost:$server_port/1

test_key() { # MODE
	echo "$1" >wrong/mode
	timeout 15 cmkfs key test "$uri"
}

# What is right is taken; then its answer to another question is none.
expect_error 5 'describe +ok' test_key 'get reply 1.4'
grep -q 'cannot be understood' <<<"$out" || fail "an answer to another question was taken: $out"
expect_error 4 'Item Not Found' test_key 'not found'
expect_error 5 'Invalid Message' test_key 'other version'
expect_error 5 'cannot be understood' test_key 'decrypt reply 1.4'
for mode in long-item not-even empty-message request garbage html huge large deep; do
	expect_error 5 'cannot be understood|too large, or none' test_key $mode
done
for mode in close cut; do
	expect_error 5 'cannot be reached' test_key $mode
done
for mode in slow silent; do
	begin=$SECONDS
	expect_error 5 'cannot be reached' test_key $mode
	[ $((SECONDS - begin)) -le 12 ] || fail "$mode: $((SECONDS - begin)) s"
done

# TLS: another authority, another name, a server that is none.
make_ca other
sed -i 's,/tls/ca.pem,/other/ca.pem,' "$CMKFS_CONFIG"
expect_error 5 'not who it should be' test_key 'get reply 1.4'
kmip_section "connect-to = 127.0.0.1:$server_port"
uri=kmip://elsewhere.example/1
expect_error 5 'not who it should be' test_key 'get reply 1.4'
stop_server "$server_pid"
kmip_section
uri=kmip://localhost:$server_port/1
expect_error 5 'cannot be reached' test_key 'get reply 1.4'
