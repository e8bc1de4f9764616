# SPDX-License-Identifier: Apache-2.0
# What cmkfs erase has erased cannot be had again by somebody who holds every
# key that there is and a copy of the store made afterwards; what rm has
# removed can be, from the medium; a copy made before is ended by the vault.
. "$(dirname "$0")/../lib/case.sh"
. "$TOP/tests/lib/customer.sh"
need_fuse
need openssl
customer_key

erased() {
	python3 "$TOP/tests/lib/erased.py" "$@"
}
ids() { # CERTIFICATE: of the objects in it
	json '"\n".join(sorted(o["object_id"] for o in d["statement"]["erased"]))' <"$1"
}
fill() { # MNT
	mkdir -p "$1/set/class" "$1/other"
	head -c 100000 /dev/urandom >"$1/set/big"
	echo "one sample" >"$1/set/class/small"
	setfattr -n user.label -v secret "$1/set/class/small" 2>/dev/null || true
	ln "$1/set/big" "$1/other/link"
	ln -s ../secret-target "$1/set/class/symlink"
	echo "stays" >"$1/other/kept"
	echo "removed" >"$1/other/removed"
	sync "$1/set/big" "$1/set/class/small" "$1/other/kept" "$1/other/removed" "$1/other" "$1/set"
}

for cipher in gcm xts; do
	mkvol vol --key local://customer/keys/k --cipher $cipher 2>/dev/null
	domount vol mnt
	fill mnt
	sync -f mnt
	erased keys vol key.pem >before
	[ "$(json 'len(d)' <before)" = 8 ] || fail "the keys of $(json 'len(d)' <before) objects"
	cp -a vol old # a copy made before
	cmkfs erase -r mnt/set --certificate certificate >said
	[ "$(cat said)" = "erased: 2 files, 2 directories" ] || fail "$(cat said)"
	[ "$(cat mnt/other/kept)" = stays ] || fail "another file went"
	[ "$(cd mnt && find . | sort | tr '\n' ' ')" = ". ./other ./other/kept ./other/removed " ] ||
		fail "names: $(find mnt)"
	cp -a vol copy # made after, while it is mounted
	doumount mnt

	# Each 40 bytes of the copy, under each key: none is one of those.
	erased left copy key.pem before >left
	[ "$(wc -l <left)" = 4 ] || fail "$cipher: keys that can be had: $(cat left)"
	! ids certificate | grep -Fxf - left || fail "$cipher: keys of what was erased can be had"
	[ "$(erased keys old key.pem | json 'len(d)')" = 8 ] || fail "the copy made before should give all"
	reader copy --manifest >manifest 2>notes || fail "the reader: $(cat notes)"
	! grep -E 'set|link|small|big' manifest || fail "the reader sees it"
	grep -q kept manifest || fail "the reader sees nothing"

	# The rest of the copy is a sound volume.
	cmkfs verify vol >/dev/null || fail "verify"
	rm -rf vol copy
	mv certificate certificate-$cipher
	[ $cipher = xts ] || mv old old-gcm
	rm -rf old
done

# ---- the certificate: by the command, by its documented form; not when it is changed
for c in certificate-*; do
	cmkfs certificate verify $c >/dev/null
	erased signed $c || fail "the signature of $c, as documented"
	key=$(json 'd["public_key"]' <$c)
	cmkfs certificate verify --public-key "$key" $c >/dev/null
	sed 's/"size": 100000/"size": 100001/' <$c >changed
	expect_error 7 'not signed' cmkfs certificate verify changed
	! erased signed changed || fail "a changed certificate"
done
expect_error 7 'not signed' cmkfs certificate verify --public-key "${key//[0-4]/5}" certificate-gcm
expect_error 2 'no public key' cmkfs certificate verify --public-key abc certificate-gcm
json '" ".join(str(d["statement"][k]) for k in ("complete", "files", "directories"))' <certificate-gcm |
	grep -qx 'True 2 2' || fail "the statement: $(cat certificate-gcm)"
[ "$(json 'd["statement"]["keys"][0]["under"][0]' <certificate-gcm)" = "$kid" ] || fail "which key"
python3 -Ic 'import json, sys
for o in json.load(open("certificate-gcm"))["statement"]["erased"]:
    if "set/big" in o["names"]:
        assert sorted(o["names"]) == ["other/link", "set/big"], o["names"]
        assert (o["type"], o["size"], o["generation"]) == ("file", 100000, 1), o
        sys.exit()
sys.exit("set/big is not in it")' || fail "the statement"

# ---- the copy made before: as cmkfs-security(7) says, it ends with the key version
mv old-gcm vol
domount vol mnt -o accept-rollback
[ "$(cat mnt/set/class/small)" = "one sample" ] || fail "the copy made before"
cp -a vol old || { rm -rf old; cp -a vol old; } # settling may take a record away meanwhile
cmkfs erase -r mnt/set >/dev/null
cmkfs vault key rotate local://customer/keys/k >/dev/null
cmkfs key rotate vol >/dev/null
cmkfs key rotate --generation vol >/dev/null
cmkfs vault key delete "$kid" >/dev/null
[ "$(cat mnt/other/kept)" = stays ] || fail "what was to survive"
doumount mnt
expect_error 4 'deleted' cmkfs mount old mnt -o accept-rollback
domount vol mnt
[ "$(cat mnt/other/kept)" = stays ] || fail "what was to survive, mounted again"
doumount mnt
rm -rf vol old

# ---- on the medium: a filesystem of its own, whose raw bytes are searched
medium() {
	need_root
	truncate -s 64M image
	mkfs.ext4 -q -F image 2>/dev/null || return 1
	mkdir -p disk
	mount -o loop image disk 2>/dev/null || return 1
}
if ! medium; then
	echo "no loop device with ext4 here: the medium was not searched"
	exit 0
fi
trap 'rc=$?; trap - ERR; set +e; cd /; timeout 20 cmkfs umount "$CASE_DIR/mnt" 2>/dev/null; umount "$CASE_DIR/disk" 2>/dev/null; (exit $rc); _cleanup' EXIT
cmkfs vault key recover "$kid" >/dev/null
mkvol disk/vol --key "$kid"
domount disk/vol mnt
fill mnt
for i in 1 2 3 4 5 6 7 8; do # several versions of the headers
	echo $i >>mnt/set/class/small
	chmod 64$i mnt/set/class/small 2>/dev/null || true
	mv mnt/set/class/small mnt/set/class/other$i
	mv mnt/set/class/other$i mnt/set/class/small
	sync mnt/set/class/small
done
sync -f mnt
erased keys disk/vol key.pem >before
sync -f disk
[ "$(erased raw image before | wc -l)" = 8 ] || fail "the image does not show the keys: $(erased raw image before)"
removed=$(python3 -Ic 'import json, os; print(os.stat("mnt/other/removed").st_ino)')
before_rm=$(find disk/vol/tree -inum "$removed" -exec dd if={} bs=8192 count=1 status=none \; |
	python3 -Ic 'import sys; b = sys.stdin.buffer.read(); print(b[4096 + 48:4096 + 64].hex() if b[4096:4104] == b"CMKFSOBJ" else b[48:64].hex())')
rm mnt/other/removed
cmkfs erase -r mnt/set --certificate certificate >/dev/null
doumount mnt
sync -f disk
erased raw image before >left
! ids certificate | grep -Fxf - left || fail "wrapped keys of what was erased are on the medium"
grep -qx "$before_rm" left || fail "rm erased something: $(cat left)"
umount disk
erased raw image before >left
! ids certificate | grep -Fxf - left || fail "wrapped keys of what was erased are on the medium, unmounted"
echo "on the medium: of 8 wrapped keys $(wc -l <left) are left, that of the removed file among them"
