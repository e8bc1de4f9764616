# SPDX-License-Identifier: Apache-2.0
# Bad input: a clear error of two lines, a documented exit code, nothing changed.
. "$(dirname "$0")/../lib/case.sh"

everything() { # names, sizes and contents of a tree, but for the note of who holds the lock
	(cd "$1" && find . -not -name cmkfs.lock -printf '%P %y %m %s\n' | sort &&
		find . -type f -not -name cmkfs.lock -exec sha256sum {} + | sort)
}

# ---- configuration: with file and line, before anything is done
printf '[mount]\n\nleese = 5s\n' >"$CMKFS_CONFIG"
expect_error 2 "cmkfs.conf:3: unknown key 'leese'" cmkfs init vol
printf '[mount]\nlease = 5s\nlease = 6s\n' >"$CMKFS_CONFIG"
expect_error 2 'cmkfs.conf:3: lease in \[mount\] is repeated' cmkfs init vol
{
	printf '[mount]\n;'
	head -c 4096 /dev/zero | tr '\0' x
	printf 'lease = 5s\n'
} >"$CMKFS_CONFIG"
expect_error 2 'cmkfs.conf:2: the line has 41.. bytes' cmkfs init vol
CMKFS_CONFIG=$CASE_DIR/none.conf expect_error 2 'none.conf: No such file' cmkfs init vol
[ ! -e vol ] || fail "a volume was made in spite of the configuration"
: >"$CMKFS_CONFIG"

# ---- wrong use
expect_error 2 "no verb 'inti'" cmkfs inti
expect_error 2 "'key' needs another word" cmkfs key
expect_error 2 'option --colour' cmkfs init --colour vol
expect_error 2 'an argument is missing' cmkfs init
expect_error 2 'too many arguments' cmkfs init vol vol2
expect_error 2 "no cipher 'rot13'" cmkfs init --cipher rot13 vol
[ ! -e vol ] || fail "a volume was made by wrong use"

# ---- key URIs
expect_error 2 '' cmkfs init --key gopher://x/keys/y vol
expect_error 2 '' cmkfs init --key local:// vol
expect_error 4 'nosuchvault' cmkfs init --key local://nosuchvault/keys/k vol
[ ! -e vol ] || fail "a volume was made without a key"
mkvol vol
everything vol >before
expect_error 2 '' cmkfs key set vol gopher://x/keys/y
expect_error 2 '' cmkfs key set vol local://v/nokeys
expect_error 4 'nosuchvault' cmkfs key set vol local://nosuchvault/keys/k
everything vol | diff before - || fail "a refused key set changed the volume"

# ---- directories
mkdir full
echo precious >full/file
everything full >before
expect_error 2 '' cmkfs init full
everything full | diff before - || fail "a refused init changed the directory"
everything vol >before
expect_error 2 '' cmkfs init vol
everything vol | diff before - || fail "a second init changed the volume"
mkdir mnt notvol
expect_error 3 '' cmkfs mount notvol mnt
expect_error 3 '' cmkfs key show notvol
expect_error 3 '' cmkfs info notvol
expect_error 2 '' cmkfs mount missing mnt
expect_error 2 '' cmkfs mount vol missing
expect_error 2 '' cmkfs info missing
expect_error 2 'nothing of cmkfs is mounted' cmkfs umount mnt
expect_error 2 'nothing of cmkfs is mounted' cmkfs lock mnt
expect_error 2 "no mount option 'frobnicate'" cmkfs mount -o frobnicate vol mnt
expect_error 2 "'lease' needs a value" cmkfs mount -o lease vol mnt
expect_error 2 "'1ms' is no good value" cmkfs mount -o lease=1ms vol mnt
[ -z "$(ls -A notvol)" ] || fail "something was written to a directory that is no volume"

# ---- a damaged keyring: a bit anywhere in it, or a cut
cp -a vol damaged
for at in 0 9 16 70 140 170 260 400; do
	cp vol/cmkfs.keys damaged/cmkfs.keys
	python3 -Ic 'import sys; p, at = sys.argv[1], int(sys.argv[2]); b = bytearray(open(p, "rb").read())
b[at % len(b)] ^= 1; open(p, "wb").write(b)' damaged/cmkfs.keys "$at"
	rc=0
	out=$(cmkfs mount damaged mnt 2>&1) || rc=$?
	# A key URI or a wrapped key may be what was hit.
	case $rc in 2 | 3 | 4) ;; *) fail "byte $at of the keyring: exit $rc: $out" ;; esac
	grep -q '^cmkfs: error: ' <<<"$out" || fail "no error line: $out"
	! mountpoint -q mnt || fail "mounted with a damaged keyring"
done
head -c 200 vol/cmkfs.keys >damaged/cmkfs.keys
expect_error 3 '' cmkfs key show damaged
expect_error 3 '' cmkfs mount damaged mnt
: >damaged/cmkfs.keys
expect_error 3 '' cmkfs key show damaged
cp vol/cmkfs.keys damaged/cmkfs.keys
printf 'x' | dd of=damaged/cmkfs.volume conv=notrunc bs=1 seek=8 2>/dev/null
expect_error 3 '' cmkfs mount damaged mnt

# ---- a missing vault file: nothing is made in its place
everything vol >before
mv "$CMKFS_STATE_DIR/vault.db" saved.db
expect_error 5 'vault' cmkfs mount vol mnt
[ ! -e "$CMKFS_STATE_DIR/vault.db" ] || fail "mount made a new, empty vault"
mv saved.db "$CMKFS_STATE_DIR/vault.db"
mv "$CMKFS_STATE_DIR/vault.key" saved.key
expect_error 5 'vault' cmkfs mount vol mnt
[ ! -e "$CMKFS_STATE_DIR/vault.key" ] || fail "mount made a new master key"
mv saved.key "$CMKFS_STATE_DIR/vault.key"
everything vol | diff before - || fail "a failed mount changed the volume"

# ---- a state directory that others may write to
chmod 0777 "$CMKFS_STATE_DIR"
expect_error 1 'state directory' cmkfs key set vol local://v/keys/k
chmod 0700 "$CMKFS_STATE_DIR"
