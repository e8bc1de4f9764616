# SPDX-License-Identifier: Apache-2.0
# Several ways into a volume: any of two keys, or only both together; and that
# the last way in is never taken away.
. "$(dirname "$0")/../lib/case.sh"
need_fuse

mkvol vol
key_vaults vol east west
east=local://east/keys/k west=local://west/keys/k

status() {
	cmkfs status --json mnt | json "$1"
}
states() { # of the slots of a mount
	[ "$(status '" ".join(s["state"] for s in d["zones"][0]["slots"])')" = "$*" ]
}
locked() { # ERRNO: within a second
	wait_for 1 eval "[ \"\$(try list mnt)\" = $1 ]"
}
same() {
	diff -r /usr/share/common-licenses mnt/common-licenses || fail "other bytes: $*"
}
slots() { # of the keyring: role:group
	cmkfs key show --json vol | json '" ".join("%s:%d" % (s["role"], s["group"]) for s in d)'
}

# ---- any of two
cmkfs key set vol $east >/dev/null
cmkfs key add vol $west >/dev/null
expect_error 2 'opens by .* already' cmkfs key add vol $west
[ "$(slots)" = "customer:0 customer:0" ] || fail "slots: $(slots)"
cmkfs key check vol >check
domount vol mnt
cp -a /usr/share/common-licenses mnt/
cmkfs vault key disable $east >/dev/null
wait_for 2 states denied granted
same "one of two is lost"
[ "$(status 'd["zones"][0]["state"]')" = unlocked ] || fail "state with one of two"
cmkfs status mnt | grep -q 'slot 1 .*denied' || fail "status does not say what is lost"
cmkfs key check vol 2>note >check || fail "a volume that opens is said not to"
grep -q 'not by all of its keys' note || fail "no word of the lost one"
# What opens today is only one: it is not to be taken away.
expect_error 4 'could not be opened' cmkfs key remove vol 2
cmkfs vault key disable $west >/dev/null
locked EKEYREVOKED
expect_error 4 'not every zone would open' cmkfs key check vol
cmkfs vault key enable $east >/dev/null
wait_for 5 ls mnt
same "the first came back"
cmkfs vault key enable $west >/dev/null
wait_for 5 states granted granted
cmkfs audit show --json vol >audit
grep -q key.slot audit || fail "nothing in the audit log"
doumount mnt
# It mounts by either.
for v in $east $west; do
	cmkfs vault key disable $v >/dev/null
	domount vol mnt
	same "without $v"
	doumount mnt
	cmkfs vault key enable $v >/dev/null
done
cmkfs key remove vol 1
[ "$(slots)" = "customer:0" ] || fail "slots after remove: $(slots)"
expect_error 4 'last way into data' cmkfs key remove vol 2
expect_error 2 'no slot 9' cmkfs key remove vol 9

# ---- only both together
cmkfs key set vol $east >/dev/null
cmkfs key add --together vol $west >/dev/null
[ "$(slots)" = "share:1 share:1 combiner:1" ] || fail "slots of a group: $(slots)"
cmkfs key check vol >/dev/null
domount vol mnt
same "by both"
for v in $east $west; do
	cmkfs vault key disable $v >/dev/null
	locked EKEYREVOKED
	cmkfs vault key enable $v >/dev/null
	wait_for 5 ls mnt
	same "$v is back"
done
cmkfs lock mnt >/dev/null
locked ENOKEY
cmkfs unlock mnt
same "after an operator's lock"
# Each follows its own newest version.
newest=$(cmkfs vault key rotate $west)
followed() {
	[ "$(cmkfs key show --json vol | json 'd[1]["uri"] + "/" + d[1]["version"]')" = "$newest" ]
}
wait_for 5 followed
same "after a rotation"
doumount mnt
cmkfs vault key disable $west >/dev/null
mkdir -p mnt
expect_error 4 'disabled' cmkfs mount vol mnt
cmkfs vault key enable $west >/dev/null
expect_error 4 'last way into data' cmkfs key remove vol 1
cmkfs key rotate vol >/dev/null 2>&1
cmkfs key set vol $east >/dev/null
[ "$(slots)" = "customer:0" ] || fail "slots after set: $(slots)"
domount vol mnt
same "by one again"

# ---- while mounted
cmkfs key add vol $west >/dev/null
cmkfs vault key disable $east >/dev/null
wait_for 2 states denied granted
same "the mount took the second key"
doumount mnt
