# SPDX-License-Identifier: Apache-2.0
# A log that cannot be written: with audit=required nothing is accessed that is
# not on record, until it can be; with audit=best-effort access goes on, and
# status and the log itself say what is missing.
. "$(dirname "$0")/../lib/case.sh"
need_fuse
need_root
need mount

audit=$CMKFS_STATE_DIR/audit
trap '! is_mounted "$audit" || umount -l "$audit"; _cleanup' EXIT
writable() { # yes|no
	if [ "$1" = yes ]; then
		umount "$audit"
	else
		mount --bind "$audit" "$audit"
		mount -o remount,bind,ro "$audit"
	fi
}

mkvol vol
principal=$(cmkfs identity show --json vol | json 'd["principal"]')

# ---- required: the mount locks, cannot be talked open, and comes back
domount vol mnt -o audit=required,lease=1s
cp -a /usr/share/common-licenses mnt/
writable no
wait_for 10 eval '[ "$(try list mnt)" = ENOKEY ]'
cmkfs status --json mnt >status
[ "$(json 'd["audit"]["mode"], d["audit"]["written"]' <status)" = "('required', False)" ] || fail "$(cat status)"
[ "$(json 'd["zones"][0]["operator_locked"]' <status)" = False ] || fail "$(cat status)"
json 'd["zones"][0]["reason"]' <status | grep -q 'audit log.* cannot be' || fail "$(cat status)"
cmkfs status mnt | grep -q '^audit log: *cannot be written, required' || fail "$(cmkfs status mnt)"
expect_error 4 'audit log' cmkfs unlock mnt
[ "$(try list mnt)" = ENOKEY ] || fail "unlocked without a log"
writable yes
wait_for 10 ls mnt
diff -r /usr/share/common-licenses mnt/common-licenses
cmkfs audit show --json --event mount.lock vol | json 'len(d) >= 1' | grep -qx True || fail "the lock is not on record"

# ---- an operator's own lock is not undone by the log's return
writable no
wait_for 10 eval '[ "$(try list mnt)" = ENOKEY ]'
cmkfs lock mnt
writable yes
wait_for 10 eval '[ "$(cmkfs status --json mnt | json "d[\"audit\"][\"written\"]")" = True ]'
[ "$(try list mnt)" = ENOKEY ] || fail "the operator's lock is gone"
cmkfs unlock mnt
ls mnt >/dev/null
doumount mnt

# ---- required: no mount without a record
writable no
expect_error 5 'audit log' cmkfs mount -o audit=required vol mnt
writable yes

# ---- best effort: goes on, says so, and counts
echo '[host]
audit = best-effort' >"$CMKFS_CONFIG"
domount vol mnt
writable no
cmkfs lock mnt
cmkfs unlock mnt
diff -r /usr/share/common-licenses mnt/common-licenses || fail "best effort stopped access"
wait_for 5 eval '[ "$(cmkfs status --json mnt | json "d[\"audit\"][\"written\"]")" = False ]'
cmkfs status mnt | grep -q '^audit log: *cannot be written, best-effort' || fail "$(cmkfs status mnt)"
writable yes
wait_for 5 eval '[ "$(cmkfs status --json mnt | json "d[\"audit\"][\"written\"]")" = True ]'
wait_for 5 eval 'cmkfs audit show --event audit.gap vol | grep -q "could not be written"'
doumount mnt

# ---- what a mount does is on record
for event in mount.begin mount.end mount.lock mount.unlock operator.lock operator.unlock lease.confirm; do
	cmkfs audit show --json --event $event vol | json "all(a['principal'] == '$principal' for a in d) and len(d) > 0" |
		grep -qx True || fail "no $event"
done
cmkfs audit show --json --event lease.confirm vol | json 'd[0]["key"]' | grep -q '^local://service/keys/' ||
	fail "the lease names no key"
cmkfs audit verify --json vol | json 'd["checkpoints"] > 0' | grep -qx True || fail "the end of a mount is not signed"

# The operator who locked is on record, not the daemon that did it.
cmkfs audit show --json vol >log
json "{a['actor']['pid'] for a in d if a['operation'] == 'operator.lock'} & {a['actor']['pid'] for a in d if a['operation'] == 'mount.lock'}" \
	<log | grep -qx 'set()' || fail "the daemon as the operator: $(cat log)"

# ---- leases: the first answer and what is new, not each
fresh() { # confirmations; but for those after a grace, as where this machine stands still
	cmkfs audit show --json vol | json 'sum({"lease.confirm": 1, "lease.grace": -1, "lease.lost": -1}.get(a["operation"], 0) for a in d)'
}
n=$(fresh)
domount vol mnt -o lease=1s
sleep 3.5
fresh_is() {
	[ "$(fresh)" = "$1" ]
}
wait_for 5 fresh_is $((n + 1))
cmkfs identity off vol
wait_for 5 eval '[ "$(try list mnt)" = EKEYREVOKED ]'
wait_for 5 eval 'cmkfs audit show --event lease.deny --result EKEYREVOKED vol | grep -q "switched off"'
cmkfs identity on vol
wait_for 5 ls mnt
doumount mnt
cmkfs audit verify vol >/dev/null
