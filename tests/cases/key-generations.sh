# SPDX-License-Identifier: Apache-2.0
# A volume with files under two generations of its vault key: every change of
# its keys keeps both readable, and so does a mount that is locked and opened.
. "$(dirname "$0")/../lib/case.sh"
. "$TOP/tests/lib/customer.sh"
need_fuse
need openssl
customer_key

writer vol --session clean --extra generation --seed 11 >manifest 2>/dev/null
customer_grant vol
key_vaults vol east west
east=local://east/keys/k west=local://west/keys/k
same() {
	compare manifest mnt >differences || fail "$1: $(head -20 differences)"
}
opens() { # WHAT options…: mounts, reads all, before a lock and after it
	local what=$1
	shift
	domount vol mnt -o ro "$@"
	same "$what"
	if [ $# = 0 ]; then
		cmkfs lock mnt >/dev/null
		cmkfs unlock mnt
		same "$what, unlocked"
	fi
	doumount mnt
}
slots() { # generation and role of each
	cmkfs key show --json vol | json '" ".join("%d:%s" % (s["generation"], s["role"]) for s in d)'
}

[ "$(slots)" = "2:customer 1:customer" ] || fail "$(cmkfs key show vol)"
opens "as it was made"
cmkfs key set vol $east >/dev/null
[ "$(slots)" = "2:customer 1:customer" ] || fail "key set: $(cmkfs key show vol)"
[ "$(cmkfs key show --json vol | json 'set(s["uri"] for s in d)')" = "{'$east'}" ] || fail "a generation was left out"
opens "key set"
cmkfs key add vol $west >/dev/null
[ "$(slots)" = "2:customer 2:customer 1:customer 1:customer" ] || fail "key add: $(cmkfs key show vol)"
for v in $east $west; do
	cmkfs vault key disable $v >/dev/null
	opens "without $v"
	cmkfs vault key enable $v >/dev/null
done
cmkfs key remove vol 1
[ "$(cmkfs key show --json vol | json 'sorted(set(s["uri"] for s in d))')" = "['$west']" ] || fail "key remove: $(cmkfs key show vol)"
opens "key remove"

# ---- the newest version is followed in both
domount vol mnt
newest=$(cmkfs vault key rotate $west)
followed() {
	[ "$(cmkfs key show --json vol | json 'set(s["uri"] + "/" + s["version"] for s in d)')" = "{'$newest'}" ]
}
wait_for 5 followed
same "followed"
doumount mnt
newest=$(cmkfs vault key rotate $west)
cmkfs key rotate vol >/dev/null
followed || fail "key rotate: $(cmkfs key show vol)"
opens "key rotate"

# ---- together, by recovery, from a backup
cmkfs key add --together vol $east >/dev/null
[ "$(slots)" = "2:share 2:share 2:combiner 1:share 1:share 1:combiner" ] || fail "together: $(cmkfs key show vol)"
opens "together"
cmkfs key add --together vol local://customer/keys/k >/dev/null
[ "$(slots)" = "2:share 2:share 2:share 2:combiner 1:share 1:share 1:share 1:combiner" ] || fail "three: $(cmkfs key show vol)"
opens "three together"
domount vol mnt -o ro
for v in $east $west local://customer/keys/k; do
	cmkfs vault key disable $v >/dev/null
	wait_for 1 eval '[ "$(try list mnt)" = EKEYREVOKED ]'
	cmkfs vault key enable $v >/dev/null
	wait_for 3 ls mnt
done
same "each of three came back"
doumount mnt
echo 'correct horse battery' >pass
cmkfs key add --recovery passphrase --passphrase-file pass vol >/dev/null 2>&1
cmkfs vault key disable $west >/dev/null
opens "recovery" --recovery pass
cmkfs key set --open-with pass vol local://customer/keys/k >/dev/null
[ "$(slots)" = "2:recovery 2:customer 1:recovery 1:customer" ] || fail "set by recovery: $(cmkfs key show vol)"
opens "set by recovery"
cmkfs key backup vol bak
rm vol/cmkfs.keys
cmkfs key restore vol bak >/dev/null
opens "restored"
reader vol --manifest >again 2>/dev/null || true # it has damaged files
diff manifest again >differences || fail "the reader: $(head -20 differences)"

cmkfs key check vol >check
[ "$(grep -c ' yes ' check)" = 2 ] || fail "key check: $(cat check)"
