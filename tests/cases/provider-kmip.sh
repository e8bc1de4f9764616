# SPDX-License-Identifier: Apache-2.0
# The life of a volume under a key in a KMIP server: PyKMIP, by version 1.4 of the
# protocol.  By 2.0: long-provider-kmip-2.sh.
. "$(dirname "$0")/../lib/case.sh"
. "$TOP/tests/lib/servers.sh"
. "$TOP/tests/lib/kmip.sh"
. "$TOP/tests/lib/provider.sh"
. "$TOP/tests/lib/provider-kmip.sh"

# What is refused, and other ways to speak.
other_keys() {
	local small
	small=$(kmip_admin make 128)
	kmip_admin activate "$small"
	cmkfs key test "${uri%/*}/$small" >/dev/null
	expect_error 4 'Item Not Found' cmkfs key test "$uri$uid$uid"
	expect_error 2 'not the URI' cmkfs key test "${uri%/*}/a/b"
	kmip_section 'version = 2.0'
	cmkfs key test "$uri" >/dev/null
	kmip_section 'version = 2.1'
	expect_error 5 'Invalid Message' cmkfs key test "$uri"
	kmip_section
	sed -i '/ca-file/d' "$CMKFS_CONFIG"
	expect_error 5 'not who it should be' cmkfs key test "$uri"
	kmip_section
	expect_error 5 'not who it should be' cmkfs key test "kmip://nobody.example:$kmip_port/$uid" \
		< <(echo "connect-to = 127.0.0.1:$kmip_port" >>"$CMKFS_CONFIG")
	kmip_section
	sed -i 's,/client\.,/other.,' "$CMKFS_CONFIG"
	expect_error 4 'Permission Denied' cmkfs key test "$uri"
	chmod 644 tls/other.key
	expect_error 5 'other.key' cmkfs key test "$uri"
	sed -i '/client/d' "$CMKFS_CONFIG"
	expect_error 5 'wants a client certificate' cmkfs key test "$uri"
	kmip_section
}

provider_life
kmip_kill
