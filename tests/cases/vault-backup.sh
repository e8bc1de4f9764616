# SPDX-License-Identifier: Apache-2.0
# A vault as one encrypted file: a bare host gets it back and opens the volumes
# under it; a wrong passphrase, every damage and what is in the way are refused
# and change nothing.
. "$(dirname "$0")/../lib/case.sh"
need python3

umask 077
echo 'correct horse' >pass
echo 'something else' >other
mkvol vol
principal=$(cmkfs identity show --json vol | json 'd["principal"]')
cmkfs vault create prod --purge-protection --tenant acme --region eu --retention 10
old=$(cmkfs vault key create local://prod/keys/k --expires +90d)
cmkfs vault key rotate local://prod/keys/k --size 3072 >/dev/null
cmkfs vault key create local://prod/keys/gone >/dev/null
cmkfs vault key delete local://prod/keys/gone
cmkfs vault key disable "$old"
cmkfs vault key rotation local://prod/keys/k --after 30d
cmkfs vault policy set prod "$principal" use
cmkfs vault policy set prod someone get,list 2>/dev/null
cmkfs key set vol local://prod/keys/k >/dev/null
shown() { # everything about it; but who needs it, the host knows
	cmkfs vault show --json prod
	cmkfs vault key list --json prod
	cmkfs vault key list --json --deleted prod
	cmkfs vault key show --json local://prod/keys/k |
		json '[v.pop("needed_by") for v in d["versions"]] and d'
	cmkfs vault policy list --json prod
}
shown >before

expect_error 2 'less than 8' cmkfs vault backup prod bak --passphrase-fd 9 9<<<short
expect_error 4 'no vault nope' cmkfs vault backup nope bak --passphrase-file pass
[ ! -e bak ] || fail "a file of nothing"
cmkfs vault backup prod bak --passphrase-file pass
[ "$(stat -c %a bak)" = 600 ] || fail "mode $(stat -c %a bak)"
! grep -qa -e prod -e acme -e "$principal" bak || fail "plain text in the backup"
expect_error 1 'File exists' cmkfs vault backup prod bak --passphrase-file pass
[ "$(echo bak*)" = bak ] || fail "leftovers: $(echo bak*)"
cmkfs vault backup local://service service.bak --passphrase-file pass

# ---- a bare host
mv "$CMKFS_STATE_DIR" first
expect_error 4 'passphrase of the backup is wrong' cmkfs vault restore bak --passphrase-file other
[ "$(cmkfs vault list --json)" = "[]" ] || fail "a wrong passphrase changed something"
[ "$(cmkfs vault restore --json bak --passphrase-file pass | json 'd["vault"], d["keys"], d["versions"], d["left"]')" = \
	"('prod', 2, 3, 0)" ] || fail "counts"
shown >after
diff before after || fail "another vault than before"
expect_error 4 'identity' cmkfs mount --foreground vol "$(mkdir -p mnt && echo mnt)"
cmkfs identity on vol
cmkfs key test --as vol local://prod/keys/k >/dev/null
if [ -c /dev/fuse ] && [ -w /dev/fuse ]; then
	domount vol mnt
	echo data >mnt/file
	doumount mnt
fi
cmkfs audit show --json --event vault.restore prod | json 'len(d)' | grep -qx 1 || fail "not on record"
cmkfs audit verify prod >/dev/null

# ---- in the way
expect_error 1 'vault prod already' cmkfs vault restore bak --passphrase-file pass
cmkfs vault delete prod
expect_error 1 'deleted vault prod already' cmkfs vault restore bak --merge --passphrase-file pass
cmkfs vault recover prod
[ "$(cmkfs vault restore --json --merge bak --passphrase-file pass | json 'd["keys"], d["versions"], d["left"]')" = "(0, 0, 2)" ]
shown | diff after - || fail "merging changed what was there"

# ---- the service-managed keys, beside those of this host
mkvol another
cmkfs vault restore --merge service.bak --passphrase-file pass >/dev/null
cmkfs key reset vol >/dev/null
cmkfs key test --as another "$(cmkfs key show --json another | json 'd[0]["uri"]')" >/dev/null

# ---- damage: every place of the header, the ends, some bytes; all refused, nothing left
export CMKFS_STATE_DIR=$CASE_DIR/third
mkdir "$CMKFS_STATE_DIR"
cmkfs vault create other
damaged() {
	rc=0
	cmkfs vault restore bad --passphrase-file pass >out 2>&1 || rc=$?
	[ "$rc" != 0 ] || fail "$*: taken"
	grep -q '^cmkfs: error: ' out && grep -q '^cmkfs: hint: ' out || fail "$*: $(cat out)"
	[ "$(cmkfs vault list --json | json '[v["vault"] for v in d]')" = "['other']" ] || fail "$*: left something"
}
size=$(stat -c %s bak)
for at in 0 7 8 9 10 15 16 47 48 55 63 64 75 76 $((size / 2)) $((size - 17)) $((size - 1)); do
	python3 -Ic 'import sys
b = bytearray(open("bak", "rb").read()); b[int(sys.argv[1])] ^= 1; open("bad", "wb").write(b)' $at
	damaged "byte $at"
done
for cut in 0 7 8 63 64 91 92 $((size - 1)); do
	head -c "$cut" bak >bad
	damaged "cut at $cut"
done
cp bak bad
echo x >>bad
damaged "longer"
rm bad
expect_error 2 'cannot read' cmkfs vault restore bad --passphrase-file pass
expect_error 2 'not a regular file' cmkfs vault restore . --passphrase-file pass
