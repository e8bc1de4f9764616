# SPDX-License-Identifier: Apache-2.0
# Keyrings saved and put back: what is missing or damaged, what is another's,
# and a rehearsal on a bare host.
. "$(dirname "$0")/../lib/case.sh"
need_fuse

mkvol vol
principal=$(cmkfs identity show --json vol | json 'd["principal"]')
cmkfs vault create prod --purge-protection >/dev/null
cmkfs vault key create local://prod/keys/k >/dev/null
cmkfs vault policy set prod "$principal" get,wrapKey,unwrapKey >/dev/null
domount vol mnt
mkdir mnt/z
cmkfs zone create --key local://prod/keys/k mnt/z >made
z=$(sed -n 's/^zone: //p' made)
cp -a /usr/share/common-licenses mnt/
cp -a /usr/share/common-licenses mnt/z/
doumount mnt
opens() {
	domount vol mnt "$@"
	diff -r /usr/share/common-licenses mnt/common-licenses || fail "other bytes"
	diff -r /usr/share/common-licenses mnt/z/common-licenses || fail "other bytes in the zone"
	doumount mnt
}

cmkfs key backup vol keys.bak
[ "$(stat -c %a keys.bak)" = 600 ] || fail "mode of the backup"
expect_error 1 'File exists' cmkfs key backup vol keys.bak
cmkfs key restore vol keys.bak >told
[ "$(grep -c "is the backup's" told)" = 2 ] || fail "told: $(cat told)"

# ---- missing, damaged, cut
for f in cmkfs.keys "cmkfs.zones/$z.keys"; do
	cp "vol/$f" whole
	rm "vol/$f"
	cmkfs key restore vol keys.bak >told
	grep -q restored told || fail "told: $(cat told)"
	cmp whole "vol/$f" || fail "$f: not as it was"
	truncate -s 100 "vol/$f"
	cmkfs key restore vol keys.bak >/dev/null
	cmp whole "vol/$f" || fail "$f: not as it was"
done
rm -r vol/cmkfs.zones vol/cmkfs.volume
cmkfs key restore vol keys.bak >/dev/null
opens

# ---- a whole one is not replaced unless that is meant; the host sees that it is old
cmkfs key reset vol >/dev/null
cmkfs key add vol local://prod/keys/k >/dev/null
cp vol/cmkfs.keys now
cmkfs key restore vol keys.bak >told 2>note
grep -q 'kept' told || fail "told: $(cat told)"
cmp now vol/cmkfs.keys || fail "a whole keyring was replaced"
cmkfs key restore --force vol keys.bak >told
grep -q 'replaced' told || fail "told: $(cat told)"
mkdir -p mnt
expect_error 7 'older' cmkfs mount vol mnt
opens -o accept-rollback
opens

# ---- what is no backup of this volume
mkvol other
cp other/cmkfs.keys before
expect_error 2 'another volume' cmkfs key restore other keys.bak
cmp before other/cmkfs.keys || fail "another volume's keyring was touched"
size=$(stat -c %s keys.bak)
for at in 0 9 13 20 40 300 $((size / 2)) $((size - 40)) $((size - 1)); do
	cp keys.bak bad
	python3 -Ic 'import sys
with open("bad", "r+b") as f:
    f.seek(int(sys.argv[1])); b = f.read(1); f.seek(int(sys.argv[1])); f.write(bytes([b[0] ^ 1]))' "$at"
	expect_error 2 'no backup of keyrings|damaged' cmkfs key restore vol bad
done
head -c $((size - 7)) keys.bak >bad
expect_error 2 'no backup of keyrings|damaged' cmkfs key restore vol bad
expect_error 2 'No such file' cmkfs key restore vol nowhere
rm "vol/cmkfs.zones/$z.keys"
touch "vol/cmkfs.zones/$z.keys"
expect_error 3 'damaged' cmkfs key backup vol bad2
[ ! -e bad2 ] || fail "half a backup was left"
cmkfs key restore vol keys.bak >/dev/null

# ---- a bare host: the store from a copy without keyrings, the vault, the backup
cp -a vol store
rm -r store/cmkfs.keys store/cmkfs.zones
old=$CMKFS_STATE_DIR
export CMKFS_STATE_DIR=$PWD/bare
mkdir -m 0700 bare
for f in "$old"/*; do # but what that host knew of the volume, and its mounts
	case ${f##*/} in volumes | mounts) ;; *) cp -a "$f" bare/ ;; esac
done
rm -r vol
mv store vol
expect_error 3 'missing' cmkfs key check vol
cmkfs key restore vol keys.bak >/dev/null
cmkfs key check vol >/dev/null || fail "restored on a bare host, it would not open"
opens
