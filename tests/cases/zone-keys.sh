# SPDX-License-Identifier: Apache-2.0
# Zones: made of empty directories, each with a key of its own that is changed
# alone; what crosses their borders; and their end.
. "$(dirname "$0")/../lib/case.sh"
. "$TOP/tests/lib/customer.sh"
need_fuse
need openssl
customer_key

mkvol vol --key local://customer/keys/k
key_vaults vol a b
cmkfs vault create plain >/dev/null
cmkfs vault key create local://plain/keys/k >/dev/null
cmkfs vault policy set plain "$principal" get,wrapKey,unwrapKey >/dev/null
domount vol mnt
mkdir -m 0750 mnt/a
mkdir -p mnt/dir/b mnt/full mnt/"$(printf 'l%.0s' {1..200})"
echo x >mnt/full/file
chown 1234:2345 mnt/a 2>/dev/null || true
before=$(stat -c '%a %u %g' mnt/a)

# ---- what is refused
expect_error 2 'Not a directory' cmkfs zone create --key local://a/keys/k mnt/full/file
expect_error 2 'No such file' cmkfs zone create --key local://a/keys/k mnt/none
expect_error 4 'purge protection' cmkfs zone create --key local://plain/keys/k mnt/a
expect_error 2 'root is zone 0' cmkfs zone create --key local://a/keys/k mnt
expect_error 2 'nothing of cmkfs' cmkfs zone create --key local://a/keys/k vol
[ "$(cmkfs zone list --json mnt | json 'len(d)')" = 1 ] || fail "a zone was left: $(cmkfs zone list mnt)"

# ---- made
( cd mnt/a && exec sleep 100 ) & _pids+=($!) # who stands in it does not hinder
cmkfs zone create --key local://a/keys/k mnt/a >made
a=$(sed -n 's/^zone: //p' made)
(cd mnt/dir && cmkfs zone create --key local://b/keys/k b/ >/dev/null)
cmkfs zone create mnt/l* >/dev/null # of the service's key
[ "$(stat -c '%a %u %g' mnt/a)" = "$before" ] || fail "other attributes: $(stat -c '%a %u %g' mnt/a)"
expect_error 6 'begins there already|in use' cmkfs zone create --key local://a/keys/k mnt/a
list() {
	cmkfs zone list --json mnt | json "$1"
}
[ "$(list 'sorted((z["path"][:6], z["state"]) for z in d)')" = \
	"[('.', 'unlocked'), ('a', 'unlocked'), ('dir/b', 'unlocked'), ('llllll', 'unlocked')]" ] || fail "$(cmkfs zone list mnt)"
cp -a /usr/share/common-licenses mnt/a/
cp -a /usr/share/common-licenses mnt/dir/b/
same() {
	diff -r /usr/share/common-licenses mnt/a/common-licenses || fail "a: other bytes: $*"
	diff -r /usr/share/common-licenses mnt/dir/b/common-licenses || fail "b: other bytes: $*"
}
same "at first"

# ---- across the border
errno() { # of OPERATION SOURCE TARGET
	python3 -Ic 'import errno, os, sys
try:
    getattr(os, sys.argv[1])(*sys.argv[2:])
except OSError as e:
    print(errno.errorcode[e.errno])' "$@"
}
[ "$(errno rename mnt/a/common-licenses mnt/out)" = EXDEV ] || fail "rename out of a zone"
[ "$(errno rename mnt/full/file mnt/a/file)" = EXDEV ] || fail "rename into a zone"
[ "$(errno link mnt/full/file mnt/a/file)" = EXDEV ] || fail "link into a zone"
[ "$(errno rename mnt/a/common-licenses/GPL-2 mnt/dir/b/x)" = EXDEV ] || fail "rename between zones"
[ "$(errno rmdir mnt/a)" = EBUSY ] || fail "rmdir of a zone"
[ "$(errno rename mnt/full mnt/a)" = EBUSY ] || fail "rename over a zone"
mv mnt/full/file mnt/a/file
mv mnt/a/file mnt/dir/b/
mv mnt/dir/b/file mnt/full/
[ "$(cat mnt/full/file)" = x ] || fail "moved through zones"
if command -v rsync >/dev/null; then # it makes a temporary file beside, and renames that
	rsync -a mnt/a/common-licenses/ mnt/dir/b/synced/
	rsync -a --remove-source-files mnt/dir/b/synced/ mnt/full/synced/
	diff -r /usr/share/common-licenses mnt/full/synced || fail "rsync"
	rm -r mnt/dir/b/synced mnt/full/synced
fi
# A zone's own directory moves in the zone that it lies in.
mv mnt/a mnt/dir/moved
[ "$(list '[z["path"] for z in d if z["zone"] == "'"$a"'"]')" = "['dir/moved']" ] || fail "path of a moved zone"
mv mnt/dir/moved mnt/a
mv mnt/dir mnt/else
mv mnt/else mnt/dir
same "moved about"

# ---- a zone in a zone
mkdir mnt/a/inner
cmkfs zone create --key local://b/keys/k mnt/a/inner >/dev/null
echo deep >mnt/a/inner/file
[ "$(errno rename mnt/a/inner/file mnt/a/x)" = EXDEV ] || fail "rename out of an inner zone"
expect_error 6 'another zone lies in it' cmkfs zone destroy --yes mnt a
doumount mnt
cmkfs verify vol >/dev/null
domount vol mnt
same "after a mount"
[ "$(cat mnt/a/inner/file)" = deep ] || fail "inner zone after a mount"

# ---- the reader, which has the customer's key, reads zones as well
mkvol other --key local://customer/keys/k
domount other mnt2
mkdir mnt2/z
cmkfs zone create --key local://customer/keys/k mnt2/z >/dev/null 2>&1 || { customer_grant other; cmkfs zone create --key local://customer/keys/k mnt2/z >/dev/null; }
cp -a /usr/share/common-licenses mnt2/z/
mkdir mnt2/z/in
cmkfs zone create --key local://customer/keys/k mnt2/z/in >/dev/null
cp -a /usr/share/common-licenses mnt2/z/in/
doumount mnt2
reader other --manifest >manifest 2>notes || fail "the reader: $(cat notes)"
domount other mnt2
compare manifest mnt2 >differences || fail "the reader: $(head -20 differences)"
doumount mnt2

# ---- a key of its own
key() { # ZONE: uri, versions
	cmkfs key show --json --zone "$1" vol | json '[(s["zone"] == "'"$1"'", s["uri"]) for s in d]'
}
[ "$(cmkfs key show --json vol | json 'len(d), d[0]["zone"]')" = "(5, '0')" ] || fail "$(cmkfs key show vol)"
cmkfs key set --zone "$a" vol local://b/keys/k >/dev/null
[ "$(key "$a")" = "[(True, 'local://b/keys/k')]" ] || fail "key set --zone: $(key "$a")"
cmkfs vault key disable local://a/keys/k >/dev/null
sleep 0.3
same "under another key"
newest=$(cmkfs vault key rotate local://b/keys/k)
followed() {
	[ "$(cmkfs key show --json --zone "$1" vol | json 'd[0]["uri"] + "/" + d[0]["version"]')" = "$newest" ]
}
wait_for 5 followed "$a"
cmkfs key rotate --zone "${a:0:6}" vol 2>note
grep -q 'newest version already' note || fail "key rotate --zone: $(cat note)"
cmkfs key reset --zone "$a" vol >/dev/null
[ "$(cmkfs key show --json --zone "$a" vol | json 'd[0]["role"]')" = service ] || fail "key reset --zone"
[ "$(cmkfs key show --json --zone 0 vol | json 'd[0]["uri"]')" = local://customer/keys/k ] || fail "another zone's key"
cmkfs vault key enable local://a/keys/k >/dev/null
cmkfs key set --zone "$a" vol local://a/keys/k >/dev/null
cmkfs key add --zone "$a" vol local://b/keys/k >/dev/null
cmkfs key check vol >/dev/null
cmkfs key remove --zone "$a" vol 2
expect_error 2 'no zone' cmkfs key set --zone ffff vol local://a/keys/k
same "after all this"

# ---- the end of it
expect_error 2 'say --yes' cmkfs zone destroy mnt a/inner
cmkfs zone destroy --yes mnt a/inner
[ ! -e mnt/a/inner ] || fail "the directory of a destroyed zone"
exec 8<mnt/a/common-licenses/GPL-2
cp -a vol copy
cmkfs zone destroy --yes mnt a
[ ! -e mnt/a ] || fail "the directory of a destroyed zone"
! cat <&8 >/dev/null 2>&1 || fail "a held descriptor reads on"
exec 8<&-
[ ! -e "vol/cmkfs.zones/$a.keys" ] || fail "the keyring is still there"
expect_error 2 'no zone' cmkfs lock --zone "$a" mnt
diff -r /usr/share/common-licenses mnt/dir/b/common-licenses || fail "another zone"
mkdir mnt/a
echo new >mnt/a/file
doumount mnt
cmkfs verify vol >/dev/null
# With a copy of the ciphertext and every key that there still is, nothing opens it.
cp -a "copy/tree" later
rm -rf vol/tree && mv later vol/tree
domount vol mnt
[ "$(try list mnt/a)" = EIO ] || fail "a destroyed zone: $(try list mnt/a)"
doumount mnt
b=$(cmkfs zone list --json vol | json '[z["zone"] for z in d if z["uri"] == "local://b/keys/k"][0]')
cmkfs zone destroy --yes vol "$b" 2>/dev/null
[ ! -e "vol/cmkfs.zones/$b.keys" ] || fail "offline: the keyring is still there"
