# SPDX-License-Identifier: Apache-2.0
# Who takes a key away hears which zones need it; where nothing could bring it
# back the command is refused, unless that is meant.
. "$(dirname "$0")/../lib/case.sh"
need_fuse

mkvol vol
key_vaults vol a b
cmkfs key set vol local://a/keys/k >/dev/null
domount vol mnt
mkdir mnt/z
cmkfs zone create --key local://b/keys/k mnt/z >made
z=$(sed -n 's/^zone: //p' made)
echo root >mnt/file
echo zone >mnt/z/file
dir=$(realpath vol)

says() { # PATTERN COMMAND…: done, with a word of it
	local pattern=$1
	shift
	"$@" >/dev/null 2>said || fail "$*: $(cat said)"
	grep -qE -- "$pattern" said || fail "'$pattern' is not in: $(cat said)"
}
silent() { # COMMAND…
	"$@" >/dev/null 2>said || fail "$*: $(cat said)"
	[ ! -s said ] || fail "$*: $(cat said)"
}
needed() { # URI → of each version, newest first, by how many it is needed
	cmkfs vault key show --json "$1" | json '" ".join(str(len(v["needed_by"])) for v in d["versions"])'
}

# ---- taken away for a while: done, and said whose it is
says "zone 0 of $dir still needs local://a/keys/k/[0-9a-f]{32}: .*vault key recover local://a/keys/k" \
	cmkfs vault key delete local://a/keys/k
wait_for 5 bash -c '[ "$(stat -c %n mnt/file 2>&1 | grep -c revoked)" = 1 ]'
silent cmkfs vault key recover local://a/keys/k
wait_for 5 cat mnt/file
says "zone $z of $dir still needs local://b/keys/k" cmkfs vault delete b
silent cmkfs vault recover b
says "zone 0 of $dir still needs .*vault policy set a $principal use" \
	cmkfs vault policy delete a "$principal"
silent cmkfs vault policy set a "$principal" use
wait_for 5 cat mnt/file

# ---- a key that ends soon: said at the mount and in status, of each zone
doumount mnt
cmkfs vault key update local://a/keys/k --expires +20d
cmkfs vault key update local://b/keys/k --expires +5d
domount vol mnt 2>said
[ "$(grep -cE 'the key local://[ab]/keys/k/[0-9a-f]{32} expires in (19|4|5|20) days' said)" = 2 ] ||
	fail "at the mount: $(cat said)"
cmkfs status mnt >said
grep -q '^0 .*in less than 30 days' said || fail "the root zone: $(cat said)"
grep -q "^$z .*in less than 7 days" said || fail "the zone: $(cat said)"
cmkfs vault key update local://a/keys/k --expires none
cmkfs vault key update local://b/keys/k --expires none

# ---- an older version: needed until the volume has moved on
first=$(cmkfs key show --json vol | json 'd[0]["uri"] + "/" + d[0]["version"]')
[ "$(needed local://a/keys/k)" = 1 ] || fail "the first version: $(needed local://a/keys/k)"
cmkfs vault key rotate local://a/keys/k >/dev/null
cmkfs key rotate vol >/dev/null
[ "$(needed local://a/keys/k)" = "1 0" ] || fail "two versions: $(needed local://a/keys/k)"
silent cmkfs vault key delete "$first"
[ "$(cat mnt/file)" = root ] || fail "the old version was needed"

# ---- one of several ways
cmkfs key add vol local://b/keys/k >/dev/null
says 'loses one of its keys, local://a/keys/k/[0-9a-f]*, and opens by another' \
	cmkfs vault key delete local://a/keys/k
[ "$(cat mnt/file)" = root ] || fail "locked by one of two"
silent cmkfs vault key recover local://a/keys/k
cmkfs key remove vol "$(cmkfs key show --json vol | json '[s["slot"] for s in d if "local://b" in s["uri"]][0]')"

# ---- not mounted, and its directory away: as it was noted last
doumount mnt
mv vol away
says "zone 0 of $dir still needs local://a/keys/k" cmkfs vault key delete local://a/keys/k
silent cmkfs vault key recover local://a/keys/k
mv away vol

# ---- for good: refused.  No volume takes a vault that allows that, so its protection is taken off
# behind its back.
sqlite() {
	python3 -Ic 'import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute(sys.argv[2]); c.commit()' \
		"$CMKFS_STATE_DIR/vault.db" "$1"
}
sqlite "UPDATE vault SET purge_protection = 0 WHERE name = 'a'"
cmkfs vault key delete local://a/keys/k 2>/dev/null
expect_error 4 "zone 0 of $dir still needs" cmkfs vault key purge local://a/keys/k
grep -q 'vault key recover local://a/keys/k, then cmkfs key set' <<<"$out" || fail "hint: $out"
cmkfs vault delete a 2>/dev/null
expect_error 4 "zone 0 of $dir still needs" cmkfs vault purge a
cmkfs vault recover a
cmkfs vault key recover local://a/keys/k
sqlite "UPDATE vault SET soft_delete = 0 WHERE name = 'a'"
expect_error 4 "zone 0 of $dir still needs" cmkfs vault key delete local://a/keys/k
expect_error 4 "zone 0 of $dir still needs" cmkfs vault key delete \
	"$(cmkfs key show --json vol | json 'd[0]["uri"] + "/" + d[0]["version"]')"
expect_error 4 "zone 0 of $dir still needs" cmkfs vault delete a
says "zone 0 of $dir needed" cmkfs vault key delete --force local://a/keys/k
expect_error 4 '' cmkfs mount vol mnt

# ---- what is destroyed needs nothing
says 'stays in the volume' cmkfs zone destroy --yes vol "$z"
silent cmkfs vault key delete local://b/keys/k
