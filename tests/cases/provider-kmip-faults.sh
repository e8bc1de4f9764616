# SPDX-License-Identifier: Apache-2.0
# A KMIP server that answers wrongly, slowly or not at all: an error within the
# deadline, of the right kind, and no crash.
. "$(dirname "$0")/../lib/case.sh"
. "$TOP/tests/lib/servers.sh"
. "$TOP/tests/lib/kmip.sh"
need openssl
need_kmip

bash "$TOP/tests/servers/fault_tls.sh" tls
make_cert tls client
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

# Certificates and a TLS that are wrong, each in its way; then the clock is.
uri_of() { # CERTIFICATE of the server
	mkdir -p "as-$1"
	echo 'get reply 1.4' >"as-$1/mode"
	start_server "as-$1" python3 "$TOP/tests/servers/kmip_wrong.py" "as-$1" tls \
		"$TOP/tests/vectors/kmip.json" "$1"
	uri=kmip://localhost:$server_port/1
}
for name in wrong-ca wrong-host self-signed expired tls1.0 null; do
	uri_of $name
	expect_error 5 'not who it should be|TLS|SSL' cmkfs key test "$uri"
done
uri_of server
expect_error 5 'describe +ok' cmkfs key test "$uri"
if faketime -f -1h cmkfs version >/dev/null 2>&1; then
	expect_error 5 'not who it should be' faketime -f -1h cmkfs key test "$uri"
	expect_error 5 'not who it should be' faketime -f '@2040-01-01 00:00:00' cmkfs key test "$uri"
	expect_error 5 'describe +ok' faketime -f +1h cmkfs key test "$uri"
else
	echo "left out: a wrong clock (faketime cannot be used)"
fi
kmip_section "connect-to = 127.0.0.1:$server_port"
expect_error 5 'not who it should be' cmkfs key test kmip://elsewhere.example/1
stop_server "$server_pid"
kmip_section
expect_error 5 'cannot be reached' cmkfs key test "$uri"

# ---- the wrong key from a server that is right otherwise: nothing is read or written by it
need_fuse
kmip_setup tls
kmip_start
kmip_section
uid=$(kmip_admin make)
kmip_admin activate "$uid"
mkvol vol --key "kmip://localhost:$kmip_port/$uid"
domount vol mnt -o lease=1s,grace=1h
cp -a /usr/share/common-licenses mnt/
for f in short long zero wrong; do
	kmip_fault DECRYPT $f
	wait_for 5 eval '[ "$(try list mnt)" = EKEYREVOKED ]'
	expect_errno EKEYREVOKED create mnt/no
	kmip_fault
	wait_for 10 eval '[ "$(try list mnt)" = ok ]'
done
diff -r /usr/share/common-licenses mnt/common-licenses
doumount mnt
before=$(find vol -type f ! -name '*.lock' -exec sha256sum {} + | sort)
for f in short long zero wrong; do
	kmip_fault DECRYPT $f
	expect_error 4 . cmkfs mount vol mnt
	! is_mounted "$(realpath mnt)" || fail "mounted under a key that is $f"
done
[ "$before" = "$(find vol -type f ! -name '*.lock' -exec sha256sum {} + | sort)" ] ||
	fail "something was written under a wrong key"
kmip_kill
