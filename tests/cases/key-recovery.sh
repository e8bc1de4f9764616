# SPDX-License-Identifier: Apache-2.0
# Recovery slots: made only when asked for, never used by a plain mount, shown
# as what they are; and a volume whose key is gone for good gets another.
. "$(dirname "$0")/../lib/case.sh"
need openssl
need_fuse

mkvol vol
principal=$(cmkfs identity show --json vol | json 'd["principal"]')
cmkfs vault create prod --purge-protection >/dev/null
cmkfs vault key create local://prod/keys/k >/dev/null
cmkfs vault key create local://prod/keys/other >/dev/null
cmkfs vault policy set prod "$principal" get,wrapKey,unwrapKey >/dev/null
cmkfs key set vol local://prod/keys/k >/dev/null
domount vol mnt
cp -a /usr/share/common-licenses mnt/
doumount mnt
same() {
	diff -r /usr/share/common-licenses mnt/common-licenses || fail "other bytes: $*"
}

# ---- what is refused
echo short >bad
echo 'correct horse battery' >pass
echo 'wrong horse battery' >wrong
openssl genrsa -out offline.pem 2048 2>/dev/null
openssl rsa -in offline.pem -pubout -out offline.pub 2>/dev/null
openssl genrsa -out other.pem 3072 2>/dev/null
openssl genrsa -out small.pem 1024 2>/dev/null
expect_error 2 'no passphrase to rely on' cmkfs key add vol --recovery passphrase --passphrase-file bad
expect_error 2 'is missing' cmkfs key add vol --recovery passphrase
expect_error 2 'right size' cmkfs key add vol --recovery rsa --public-key small.pem
expect_error 2 'no recovery by' cmkfs key add vol --recovery mail --passphrase-file pass
expect_error 2 'has no URI' cmkfs key add vol local://prod/keys/k --recovery passphrase --passphrase-file pass

# ---- made, shown, not used
cmkfs key add vol --recovery passphrase --passphrase-file pass >label 2>note
grep -q 'way round a revocation' note || fail "key add does not say what a recovery slot is"
cmkfs key add vol --recovery rsa --public-key offline.pub >/dev/null 2>&1
[ "$(cmkfs key show --json vol | json '" ".join(s["role"] for s in d)')" = "customer recovery recovery" ] ||
	fail "roles: $(cmkfs key show vol)"
cmkfs key check vol >check
[ "$(grep -c 'way round a revocation' check)" = 2 ] || fail "key check: $(cat check)"
cmkfs vault key disable local://prod/keys/k >/dev/null
expect_error 4 'disabled' cmkfs mount vol mnt
expect_error 4 'not every zone would open' cmkfs key check vol

# ---- used when asked for
opens_by() { # FILE SLOT
	_mounts+=("$PWD/mnt")
	cmkfs mount --recovery "$1" vol mnt
	same "by $1"
	cmkfs status mnt >status
	grep -q "recovery slot $2, a way round a revocation" status || fail "status: $(cat status)"
	cmkfs status --json mnt | json 'd["zones"][0]["opened_by"]' | grep -q "recovery slot $2" ||
		fail "status --json"
	cmkfs lock mnt >/dev/null
	expect_errno ENOKEY list mnt
	expect_error 4 'recovery key is not kept' cmkfs unlock mnt
	doumount mnt
}
opens_by pass 2
opens_by offline.pem 3
cmkfs audit show vol >audit
grep -q mount.recovery audit || fail "no word of it in the audit log"
for f in wrong other.pem; do
	expect_error 4 'disabled' cmkfs mount --recovery $f vol mnt
done
expect_error 2 'public half' cmkfs mount --recovery offline.pub vol mnt
expect_error 2 'No such file' cmkfs mount --recovery nowhere vol mnt

# ---- the key is gone: another, by the recovery slot; then the slot goes
expect_error 4 'disabled' cmkfs key set vol local://prod/keys/other
expect_error 4 'no recovery slot .* opens by this' cmkfs key set --open-with wrong vol local://prod/keys/other
cmkfs key set --open-with pass vol local://prod/keys/other >/dev/null
domount vol mnt
same "under another key"
doumount mnt
cmkfs key remove vol 2
[ "$(cmkfs key show --json vol | json 'len(d)')" = 2 ] || fail "slots after remove: $(cmkfs key show vol)"
cmkfs vault key disable local://prod/keys/other >/dev/null
mkdir -p mnt
expect_error 4 'disabled' cmkfs mount --recovery pass vol mnt
opens_by offline.pem 3
