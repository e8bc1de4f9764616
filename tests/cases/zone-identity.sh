# SPDX-License-Identifier: Apache-2.0
# A zone may ask the vault as itself: what its identity is allowed and what the
# volume's is are then two things.
. "$(dirname "$0")/../lib/case.sh"
need_fuse

mkvol vol
volume=$(cmkfs identity show --json vol | json 'd["principal"]')
cmkfs vault create prod --purge-protection >/dev/null
cmkfs vault key create local://prod/keys/k >/dev/null
cmkfs vault policy set prod "$volume" get,wrapKey,unwrapKey >/dev/null
domount vol mnt
mkdir mnt/a mnt/b
for z in a b; do
	cmkfs zone create --key local://prod/keys/k mnt/$z >made
	declare "$z=$(sed -n 's/^zone: //p' made)"
	cp -a /usr/share/common-licenses mnt/$z/
done
same() { # ZONES…
	for z; do
		diff -r /usr/share/common-licenses mnt/$z/common-licenses || fail "zone $z"
	done
}
state() { # ZONE
	cmkfs status --json mnt | json '[z["errno"] or z["state"] for z in d["zones"] if z["zone"] == "'"$1"'"][0]'
}
is() { # ZONE STATE
	[ "$(state "$1")" = "$2" ]
}
[ "$(cmkfs identity show --json --zone "$a" vol | json 'd["state"]')" = none ] || fail "an identity from nowhere"

# ---- from here zone a asks as itself, and nobody has allowed it anything
cmkfs identity on --zone "$a" vol >own
own=$(cat own)
[ "$own" = "$volume-${a:0:8}" ] || fail "principal: $own"
[ "$(cmkfs identity show --json --zone "$a" vol | json 'd["principal"], d["state"]')" = "('$own', 'on')" ] || fail "identity show"
wait_for 3 is "$a" EKEYREVOKED
same b
cmkfs vault policy set prod "$own" get,wrapKey,unwrapKey >/dev/null
wait_for 3 is "$a" unlocked
same a b

# ---- the volume's identity has no say over it any more, nor it over the others
cmkfs vault policy delete prod "$volume" >/dev/null
wait_for 1 is "$b" EKEYREVOKED
same a
cmkfs vault policy set prod "$volume" get,wrapKey,unwrapKey >/dev/null
wait_for 3 is "$b" unlocked
cmkfs identity off --zone "$a" vol >/dev/null
wait_for 1 is "$a" EKEYREVOKED
same b
cmkfs identity on --zone "$a" vol >/dev/null
wait_for 3 is "$a" unlocked
same a b
doumount mnt
cmkfs key check vol >/dev/null
domount vol mnt
same a b
cmkfs vault key rotate local://prod/keys/k >/dev/null
same a b
doumount mnt
cmkfs verify vol >/dev/null
