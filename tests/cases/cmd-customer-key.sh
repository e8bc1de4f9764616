# SPDX-License-Identifier: Apache-2.0
# A customer's key: what is refused, with reason and mending command; and that
# set, rotate and reset touch nothing of the data.
. "$(dirname "$0")/../lib/case.sh"
need openssl

mkvol vol
principal=$(cmkfs identity show --json vol | json 'd["principal"]')
cmkfs vault create good --purge-protection >/dev/null
cmkfs vault key create local://good/keys/k >/dev/null
cp vol/cmkfs.keys keyring

refused() { # PATTERN HINT-PATTERN URI: refused, and the keyring as it was
	expect_error 4 "$1" cmkfs key set vol "$3"
	grep -qE -- "^cmkfs: hint: .*($2)" <<<"$out" || fail "the hint does not say '$2': $out"
	cmp -s keyring vol/cmkfs.keys || fail "a refused key changed the keyring"
}

# ---- the vault
cmkfs vault create plain >/dev/null
cmkfs vault key create local://plain/keys/k >/dev/null
cmkfs vault policy set plain "$principal" get,wrapKey,unwrapKey >/dev/null
refused 'purge protection' 'vault update .*plain.* --purge-protection' local://plain/keys/k
cmkfs vault create fleeting --no-soft-delete >/dev/null
cmkfs vault key create local://fleeting/keys/k >/dev/null
cmkfs vault policy set fleeting "$principal" get,wrapKey,unwrapKey >/dev/null
refused 'soft delete' '--soft-delete' local://fleeting/keys/k

# ---- the key
cmkfs vault policy set good "$principal" get,wrapKey,unwrapKey >/dev/null
openssl genrsa -traditional 1024 2>/dev/null >short.pem
openssl ecparam -name prime256v1 -genkey -noout 2>/dev/null >ec.pem
cmkfs vault key import --file short.pem local://good/keys/short >/dev/null
cmkfs vault key import --file ec.pem local://good/keys/ec >/dev/null
refused '1024' 'vault key create' local://good/keys/short
refused 'EC|RSA' 'vault key create' local://good/keys/ec
cmkfs vault key create local://good/keys/off >/dev/null
cmkfs vault key disable local://good/keys/off >/dev/null
refused 'disabled' 'vault key enable' local://good/keys/off
cmkfs vault key create --expires +1s local://good/keys/old >/dev/null
cmkfs vault key create --not-before +1d local://good/keys/early >/dev/null
sleep 1.2
refused 'expired' 'vault key' local://good/keys/old
refused 'not yet valid|not valid' 'vault key' local://good/keys/early

# ---- the policy: each of the three is needed, and named; so is the identity
for lacking in get wrapKey unwrapKey; do
	granted=$(sed "s/$lacking//; s/,,/,/; s/^,//; s/,\$//" <<<get,wrapKey,unwrapKey)
	cmkfs vault policy set good "$principal" "$granted" >/dev/null
	refused "$lacking" "vault policy set .*good.* $principal .*get,wrapKey,unwrapKey" local://good/keys/k
done
cmkfs vault policy delete good "$principal" >/dev/null
refused 'get' "$principal" local://good/keys/k

# ---- set, rotate, reset: not a byte and not a time of the data changes
need_fuse
domount vol mnt
cp -a /usr/share/common-licenses mnt/
cmkfs umount mnt
data() {
	find vol/tree -printf '%P %i %s %T@ %C@\n' | sort
	find vol/tree -type f -exec sha256sum {} + | sort
	sha256sum vol/cmkfs.volume
}
row() {
	cmkfs key show --json vol | json "len(d), d[0]['$1']"
}
data >before
cmkfs vault policy set good "$principal" get,wrapKey,unwrapKey,delete >/dev/null
cmkfs key set vol local://good/keys/k >first 2>note
grep -q 'more than get, wrapKey and unwrapKey' note || fail "nothing said of a policy that grants more"
cmkfs vault policy set good "$principal" get,wrapKey,unwrapKey >/dev/null
[ "$(row uri)" = "(1, 'local://good/keys/k')" ] || fail "uri: $(row uri)"
[ "$(row role)" = "(1, 'customer')" ] || fail "role: $(row role)"
[ "$(row zone)" = "(1, '0')" ] && [ "$(row generation)" = "(1, 1)" ] || fail "zone or generation"
[ "$(row provider)" = "(1, 'local')" ] || fail "provider: $(row provider)"
data | diff before - || fail "key set touched the data"

version=$(row version)
cmkfs key rotate vol 2>note
grep -q 'newest version already' note || fail "nothing to rotate, but no word of it"
[ "$(row version)" = "$version" ] || fail "rotated to what?"
cmkfs vault key rotate local://good/keys/k >/dev/null
cmkfs key rotate vol >second
[ "$(row version)" != "$version" ] || fail "not rotated"
! cmp -s first second || fail "the new kid is the old one"
data | diff before - || fail "key rotate touched the data"

cmkfs key reset vol >/dev/null
[ "$(row role)" = "(1, 'service')" ] || fail "role after reset: $(row role)"
data | diff before - || fail "key reset touched the data"

# The customer's key has no say any more, and the data is all there.
cmkfs vault key disable local://good/keys/k >/dev/null
domount vol mnt
diff -r /usr/share/common-licenses mnt/common-licenses
doumount mnt

# ---- while mounted: goes on, and follows the new key at once
cmkfs vault key enable local://good/keys/k >/dev/null
domount vol mnt
cmkfs key set vol local://good/keys/k >/dev/null
diff -r /usr/share/common-licenses mnt/common-licenses
cmkfs vault key disable local://good/keys/k >/dev/null
wait_for 5 eval '[ "$(try list mnt)" = EKEYREVOKED ]'
cmkfs vault key enable local://good/keys/k >/dev/null
wait_for 5 ls mnt
diff -r /usr/share/common-licenses mnt/common-licenses
doumount mnt

# ---- init --key grants the new volume's identity what it needs, no more
mkvol vol2 --key local://good/keys/k
cmkfs vault policy list --json good | json "sorted(len(p['permissions']) for p in d)" >perms
[ "$(cat perms)" = "[3, 3]" ] || fail "policy after init --key: $(cat perms)"
cmkfs key show --json vol2 | json "d[0]['role']" | grep -qx customer
expect_error 4 'purge protection' cmkfs init --key local://plain/keys/k vol3
[ ! -e vol3 ] || fail "a volume was made under a refused key"
