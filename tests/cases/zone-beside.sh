# SPDX-License-Identifier: Apache-2.0
# A read-only mount beside the one that writes, as on another host: it takes
# notice of zones that are made, of keys that are changed, and of the end.
. "$(dirname "$0")/../lib/case.sh"
need_fuse

mkvol vol
key_vaults vol a b
domount vol mnt
mkdir mnt/z
domount vol ro -o ro
ls ro/z >/dev/null
cmkfs zone create --key local://a/keys/k mnt/z >made
z=$(sed -n 's/^zone: //p' made)
cp -a /usr/share/common-licenses mnt/z/
sync mnt/z/common-licenses/*
wait_for 5 diff -r /usr/share/common-licenses ro/z/common-licenses

# ---- its key is another now; the old one has no say any more
cmkfs key set --zone "$z" vol local://b/keys/k >/dev/null
kid() { # of the zone in the mount
	cmkfs status --json "$1" | json '[z["kid"] for z in d["zones"] if z["zone"] == "'"$z"'"][0]'
}
under_b() {
	[[ $(kid ro) = local://b/keys/k/* ]]
}
wait_for 5 under_b
cmkfs vault key disable local://a/keys/k >/dev/null
sleep 0.5
diff -r /usr/share/common-licenses ro/z/common-licenses || fail "locked by a key that it is not under"
cmkfs vault key disable local://b/keys/k >/dev/null
wait_for 1 eval '[ "$(try list ro/z)" = EKEYREVOKED ]'
wait_for 1 eval '[ "$(try list mnt/z)" = EKEYREVOKED ]'
ls ro mnt >/dev/null || fail "the root zone is locked, too"

# ---- while it is locked it gets a key that opens it, elsewhere
export CMKFS_STATE_DIR=$PWD/elsewhere
mkdir -m 0700 elsewhere
for f in state/*; do
	case ${f##*/} in volumes | mounts) ;; *) cp -a "$f" elsewhere/ ;; esac
done
cmkfs vault key enable local://b/keys/k >/dev/null
cmkfs vault key enable local://a/keys/k >/dev/null
cmkfs key set --zone "$z" vol local://a/keys/k >/dev/null
export CMKFS_STATE_DIR=$PWD/state
expect_errno EKEYREVOKED list ro/z # here both are disabled
cmkfs vault key enable local://a/keys/k >/dev/null
wait_for 5 diff -r /usr/share/common-licenses ro/z/common-licenses
wait_for 5 diff -r /usr/share/common-licenses mnt/z/common-licenses # either may come to know it first

# ---- it is destroyed
exec 8<ro/z/common-licenses/GPL-2
cmkfs zone destroy --yes mnt "$z"
gone() {
	! head -c 10 <&8 && ! cat ro/z/common-licenses/GPL-3
}
wait_for 5 gone
exec 8<&-
ls ro >/dev/null || fail "the root zone, after a zone's end"
doumount ro
doumount mnt
