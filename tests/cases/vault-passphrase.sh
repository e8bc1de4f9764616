# SPDX-License-Identifier: Apache-2.0
# Passphrases: the master key of the embedded vaults under one, from a file, a
# descriptor and the terminal, across a mount; and encrypted keys to import.
. "$(dirname "$0")/../lib/case.sh"
need openssl python3

umask 077
printf 'correct horse\n' >pass
printf 'something else\n' >other
mkvol vol
[ "$(cmkfs vault master show --json | json 'd["kept"]')" = "plain file" ]
cp "$CMKFS_STATE_DIR/vault.key" plain

# ---- set; what is on disk is no key any more
printf 'short\n' >short
expect_error 2 'less than 8' cmkfs vault master set --passphrase-file short
: >empty
expect_error 2 'empty' cmkfs vault master set --passphrase-file empty
expect_error 2 'exclude each other' cmkfs vault master set --passphrase-file pass --passphrase-fd 0
expect_error 2 'takes no passphrase' cmkfs vault master set --plain --passphrase-fd 0
chmod 0644 other
expect_error 2 'can be read by others' cmkfs vault master set --passphrase-file other
chmod 0600 other
expect_error 2 'no terminal' setsid -w cmkfs vault master set </dev/null
cmkfs vault master set --passphrase-file pass
[ "$(cmkfs vault master show --json | json 'd["kept"]')" = "file under a passphrase" ]
python3 -Ic 'import sys
assert open(sys.argv[1], "rb").read() not in open(sys.argv[2], "rb").read()' plain "$CMKFS_STATE_DIR/vault.key"

# ---- none, a wrong one, the right one by file, descriptor and credential
expect_error 4 'no terminal' setsid -w cmkfs vault list
CMKFS_VAULT_PASSPHRASE_FD=9 expect_error 4 'passphrase .* is wrong' cmkfs vault list 9<other
CMKFS_VAULT_PASSPHRASE_FD=9 cmkfs vault list 9<pass >/dev/null
CMKFS_VAULT_PASSPHRASE_FD=x expect_error 4 'not the number' cmkfs vault list
mkdir cred
cp pass cred/cmkfs-vault-passphrase
CREDENTIALS_DIRECTORY=$PWD/cred cmkfs vault list >/dev/null
printf '[host]\nvault-passphrase-file = %s\n' "$PWD/pass" >"$CMKFS_CONFIG"
cmkfs vault list >/dev/null
cmkfs audit verify vol >/dev/null

# ---- a mount goes on with it, and with another one set meanwhile
domount vol mnt -o lease=1s
echo data >mnt/file
cmkfs vault master set --passphrase-file other
sleep 1.5
[ "$(cat mnt/file)" = data ] || fail "locked by another passphrase"
expect_error 4 'is wrong' cmkfs vault list
printf '[host]\nvault-passphrase-file = %s\n' "$PWD/other" >"$CMKFS_CONFIG"
cmkfs vault list >/dev/null
doumount mnt

# ---- from a descriptor and from the terminal, which the daemon has not got
: >"$CMKFS_CONFIG"
export CMKFS_VAULT_PASSPHRASE_FD=9
domount vol mnt -o lease=1s 9<other
sleep 1.5
[ "$(cat mnt/file)" = data ] || fail "locked without a descriptor"
doumount mnt
unset CMKFS_VAULT_PASSPHRASE_FD
expect_error 4 'no terminal' setsid -w cmkfs mount vol mnt
_mounts+=("$CASE_DIR/mnt")
python3 -I "$TOP/tests/lib/tty.py" 'something else' cmkfs mount -o lease=1s vol mnt || fail "no mount from a terminal"
sleep 1.5
[ "$(cat mnt/file)" = data ] || fail "locked without a terminal"
doumount mnt
expect_exit 2 python3 -I "$TOP/tests/lib/tty.py" 'something new|something odd' cmkfs vault master set
echo "$out" >said
grep -q 'not the same' said || fail "$(cat said)"
expect_exit 4 python3 -I "$TOP/tests/lib/tty.py" 'wrong else' cmkfs vault list

# ---- plain again: the same key as before
CMKFS_VAULT_PASSPHRASE_FD=9 cmkfs vault master set --plain 9<other
cmp plain "$CMKFS_STATE_DIR/vault.key" || fail "another master key"
cmkfs audit show --json --event database vol >/dev/null
cmkfs vault list >/dev/null

# ---- a damaged file
CMKFS_VAULT_PASSPHRASE_FD=9 cmkfs vault master set --passphrase-file pass
cp "$CMKFS_STATE_DIR/vault.key" good
for at in 8 9 20 60 107; do
	python3 -Ic 'import sys
b = bytearray(open(sys.argv[1], "rb").read()); b[int(sys.argv[2])] ^= 0x40; open(sys.argv[3], "wb").write(b)' \
		good $at "$CMKFS_STATE_DIR/vault.key"
	rc=0
	CMKFS_VAULT_PASSPHRASE_FD=9 cmkfs vault list 9<pass 2>err || rc=$?
	[ "$rc" = 4 ] || [ "$rc" = 5 ] || fail "byte $at: $rc"
	grep -q '^cmkfs: hint: ' err || fail "byte $at: $(cat err)"
done
cp good "$CMKFS_STATE_DIR/vault.key"
CMKFS_VAULT_PASSPHRASE_FD=9 cmkfs vault master set --plain 9<pass

# ---- keys to import, in every form they come in
cmkfs vault create prod --purge-protection
openssl genrsa -out key.pem 2048 2>/dev/null
openssl pkcs8 -topk8 -nocrypt -in key.pem -out p8.pem
openssl pkcs8 -topk8 -nocrypt -in key.pem -outform DER -out p8.der
openssl pkcs8 -topk8 -v2 aes-256-cbc -in key.pem -passout file:pass -out enc.pem
openssl pkcs8 -topk8 -v2 aes-256-cbc -in key.pem -passout file:pass -outform DER -out enc.der
openssl rsa -aes256 -traditional -in key.pem -passout file:pass -out old.pem 2>/dev/null
openssl pkcs8 -topk8 -scrypt -in key.pem -passout file:pass -out scrypt.pem
for f in key.pem p8.pem p8.der; do
	cmkfs vault key import local://prod/keys/a --file $f >/dev/null
done
for f in enc.pem enc.der old.pem scrypt.pem; do
	expect_error 2 'no terminal' setsid -w cmkfs vault key import local://prod/keys/a --file $f
	expect_error 4 'does not open the key' cmkfs vault key import local://prod/keys/a --file $f --passphrase-file other
	cmkfs vault key import local://prod/keys/a --file $f --passphrase-file pass >/dev/null
	cmkfs vault key import local://prod/keys/a --file $f --passphrase-fd 9 9<pass >/dev/null
done
[ "$(cmkfs vault key show --json local://prod/keys/a |
	json 'len(d["versions"]), {(v["type"], v["bits"]) for v in d["versions"]}')" = "(11, {('RSA', 2048)})" ] || fail versions
cmkfs key test local://prod/keys/a >/dev/null
