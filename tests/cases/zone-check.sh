# SPDX-License-Identifier: Apache-2.0
# verify and fsck of a volume with zones: one that does not open is left out and
# said to be, and what an unclean end left in it is settled when it does.
. "$(dirname "$0")/../lib/case.sh"
need_fuse

mkvol vol
key_vaults vol a b
domount vol mnt
for z in a b; do
	mkdir mnt/$z
	cmkfs zone create --key local://$z/keys/k mnt/$z >made
	declare "$z=$(sed -n 's/^zone: //p' made)"
	cp -a /usr/share/common-licenses mnt/$z/
done
sync mnt/[ab]/common-licenses/*
sleep 1.5
kill -9 "$(cmkfs status --json mnt | json 'd["pid"]')"
wait_for 5 eval '! is_mounted "$PWD/mnt"'

cmkfs vault key disable local://a/keys/k >/dev/null
for verb in verify "fsck --repair"; do
	# shellcheck disable=SC2086 # two words
	expect_exit 9 cmkfs $verb vol
	grep -q "zone $a cannot be checked" <<<"$out" || fail "$verb: $out"
	grep -q 'unchecked: /a: ' <<<"$out" || fail "$verb: $out"
	! grep -q ': /b' <<<"$out" || fail "$verb of the other zone: $out"
done
# A mount settles it when it can.
domount vol mnt
diff -r /usr/share/common-licenses mnt/b/common-licenses || fail "zone b"
sleep 1.5
expect_exit 9 cmkfs fsck vol
cmkfs vault key enable local://a/keys/k >/dev/null
wait_for 5 diff -r /usr/share/common-licenses mnt/a/common-licenses
# Until that has been settled a chunk that does not verify may be one that never
# came; fsck beside the mount cannot tell.
sleep 4
doumount mnt
cmkfs verify vol >/dev/null

# ---- damage in a zone is found there
victim=$(find vol/tree -mindepth 3 -type f ! -name .D -size +20k | head -1)
printf damage | dd of="$victim" conv=notrunc bs=1 seek=9000 status=none
expect_exit 7 cmkfs verify vol
grep -qE '/[ab]/common-licenses/' <<<"$out" || fail "verify: $out"

# ---- many zones
mkvol many
domount many mnt2
mkdir mnt2/{1..24}
for i in {1..24}; do
	cmkfs zone create mnt2/$i >/dev/null
	echo $i >mnt2/$i/file
done
[ "$(cmkfs status --json mnt2 | json 'len(d["zones"])')" = 25 ] || fail "zones of a mount"
doumount mnt2
domount many mnt2
for i in {1..24}; do
	[ "$(cat mnt2/$i/file)" = $i ] || fail "zone $i of many"
done
cmkfs lock mnt2 >took
[ "$(cmkfs status --json mnt2 | json 'set(z["errno"] for z in d["zones"])')" = "{'ENOKEY'}" ] || fail "not all are locked"
cmkfs unlock mnt2
[ "$(cat mnt2/24/file)" = 24 ] || fail "after the lock of many"
doumount mnt2
