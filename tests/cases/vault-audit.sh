# SPDX-License-Identifier: Apache-2.0
# The audit logs: what a volume and an operator did is in them, they are shown
# by filters and followed, and tampering with them from outside is found.
. "$(dirname "$0")/../lib/case.sh"
need python3

mkvol vol
principal=$(cmkfs identity show --json vol | json 'd["principal"]')
cmkfs vault create prod --purge-protection
cmkfs vault key create local://prod/keys/k >/dev/null
expect_error 4 'get' cmkfs key set vol local://prod/keys/k
cmkfs vault policy set prod "$principal" get,wrapKey,unwrapKey
cmkfs key set vol local://prod/keys/k >/dev/null

# ---- by vault, and by volume
cmkfs audit show --json prod >log
seen() { # OPERATION OUTCOME PRINCIPAL-PREFIX: in the log
	json "any(a['operation'] == '$1' and a['outcome'] == '$2' and a['principal'].startswith('$3') for a in d)" <log |
		grep -qx True || fail "no $1 $2 by $3: $(cat log)"
}
seen vault.create ok operator:
seen create ok operator:
seen get EACCES "$principal"
seen policy.set ok operator:
seen wrapKey ok "$principal"
seen unwrapKey ok "$principal"
json 'all("local://prod" in a["object"] for a in d)' <log | grep -qx True || fail "another vault's records"
json "all(a['actor']['uid'] == $(id -u) and a['actor']['pid'] > 1 and a['actor']['exe'].endswith('/cmkfs') for a in d)" \
	<log | grep -qx True || fail "actors: $(cat log)"
cmkfs audit show --json vol >log
seen wrapKey ok "$principal"
seen key.set ok "$principal"
json 'sorted(a["time"] for a in d) == [a["time"] for a in d]' <log | grep -qx True || fail "not by time"
[ "$(cmkfs audit show --json --last 3 vol | json 'len(d)')" = 3 ]
cmkfs audit show vol | grep -q unwrapKey || fail "no text form"
expect_error 4 'no vault nope' cmkfs audit show nope
expect_error 2 'last' cmkfs audit show --last x vol

# ---- filters
count() { # FILTERS…
	cmkfs audit show --json prod "$@" | json 'len(d)'
}
all=$(count)
[ "$(count --since -1h)" = "$all" ] || fail "since"
[ "$(count --until -1h)" = 0 ] || fail "until"
[ "$(count --since +1h)" = 0 ] || fail "since +1h"
[ "$(count --event policy)" = 1 ] || fail "event"
[ "$(count --event policy.set)" = 1 ] || fail "event"
[ "$(count --event poli)" = 0 ] || fail "half an event"
[ "$(count --principal "$principal" --result denied)" = 1 ] || fail "denied"
[ "$(count --result EACCES)" = 1 ] || fail "result"
[ "$(count --key local://prod/keys/k --event wrapKey)" -ge 1 ] || fail "key"
[ "$(count --key local://prod/keys/other)" = 0 ] || fail "another key"
cmkfs audit show --json prod --result denied | json 'd[0]["detail"]' | grep -q 'does not grant' ||
	fail "no reason: $(cmkfs audit show prod --result denied)"
expect_error 2 'not a time' cmkfs audit show --since yesterday vol

# ---- followed, through a rotation of the log
background cmkfs audit show --follow --json --event vault.update prod >followed
wait_for 5 test -e followed
cmkfs vault update prod --tenant t1
wait_for 5 grep -q vault.update followed
cmkfs audit rotate prod
cmkfs vault update prod --tenant ""
wait_for 5 eval '[ "$(wc -l <followed)" = 2 ]'

# ---- the files are what is shown: JSON lines
audit=$(echo "$CMKFS_STATE_DIR"/audit/*)
python3 -Ic 'import json, sys
for f in sys.argv[1:]:
    for i, line in enumerate(open(f)):
        o = json.loads(line)
        assert {"seq", "time", "operation", "principal", "object", "outcome", "actor", "hash", "mac"} <= set(o), line' \
	"$audit"/*/log*.jsonl

# ---- sound, and after each kind of tampering not
sound() {
	[ "$(cmkfs audit verify --json vol | json 'd["sound"]')" = True ] || fail "the log is not sound"
	[ "$(cmkfs audit verify --json prod | json 'd["sound"]')" = True ] || fail "the vault's log is not sound"
}
sound
log=$audit/vault-prod/log.jsonl
for i in 1 2 3 4 5 6 7 8; do
	cmkfs vault update prod --region "r$i"
done
cmkfs vault update prod --region ''
records=$(cmkfs audit verify --json prod | json 'd["records"]')
[ "$records" -gt 15 ] || fail "only $records records"
cp -a "$audit" good
for tamper in \
	"sed -i 's/vault.update/vault.show/' $log" \
	"sed -i 3d $log" \
	"sed -i '\$d' $log" \
	"sed -i '5,\$d' $log" \
	"sed -i -e '4{h;d}' -e '5{G}' $log" \
	"sed -i '4{p}' $log" \
	"truncate -s -100 $log" \
	"truncate -s 0 $log" \
	"rm $log" \
	"rm $audit/vault-prod/log.000001.jsonl" \
	"rm -r $audit/vault-prod" \
	"cp $audit/host/head $audit/vault-prod/head"; do
	bash -c "$tamper"
	expect_error 7 'audit log' cmkfs audit verify prod
	rm -r "$audit"
	cp -a good "$audit"
	sound
done
sed -i 's/key.set/key.sit/' "$audit/volume-${principal#cmkfs-}/log.jsonl"
expect_error 7 'audit log is not as it was written: record .* of volume-' cmkfs audit verify vol
rm -r "$audit"
cp -a good "$audit"

# ---- a copy is checked elsewhere, by the public key alone
cmkfs vault maintain
public=$(cmkfs audit verify --json prod | json 'd["public_key"]')
mkdir elsewhere
cp -a "$audit/vault-prod" elsewhere/
rm elsewhere/vault-prod/head
export CMKFS_STATE_DIR=$CASE_DIR/elsewhere/state
[ "$(cmkfs audit verify --json --public-key "$public" elsewhere/vault-prod |
	json 'd["sound"], d["first"], d["signed_to"] == d["records"]')" = "(True, 1, True)" ] || fail "the copy"
[ ! -e "$CMKFS_STATE_DIR/vault.key" ] || fail "a key for a copy"
expect_error 2 'not a public key' cmkfs audit verify --public-key xyz elsewhere/vault-prod
expect_error 7 'another key' cmkfs audit verify --public-key "${public//[0-9]/a}" elsewhere/vault-prod
mv elsewhere/vault-prod elsewhere/vault-other
expect_error 7 'record 1 was changed' cmkfs audit verify --public-key "$public" elsewhere/vault-other
mv elsewhere/vault-other elsewhere/vault-prod
mv elsewhere/vault-prod/log.000001.jsonl .
cmkfs audit verify --public-key "$public" elsewhere/vault-prod >/dev/null
sed -i '2s/ok/no/' elsewhere/vault-prod/log.jsonl
expect_error 7 'was changed' cmkfs audit verify --public-key "$public" elsewhere/vault-prod
CMKFS_STATE_DIR=$CASE_DIR/state

# ---- a log that was cut off is not gone on from; away, a new one begins
sed -i '$d' "$log"
expect_error 5 'not as it was written' cmkfs vault update prod --region x
rm -r "$audit/vault-prod"
cp -a good/vault-prod "$audit"
cmkfs vault update prod --region ''
sound

# ---- many at once: nothing is lost, nothing out of order
cmkfs vault create other
before=$(cmkfs audit verify --json other | json 'd["records"]')
for i in 1 2 3 4 5 6 7 8; do
	(
		for _ in 1 2 3 4 5; do
			cmkfs vault update other --region "r$i" || exit 1
		done
	) &
	pids="${pids:-} $!"
done
# shellcheck disable=SC2086 # a list
wait $pids
after=$(cmkfs audit verify --json other | json 'd["records"]')
[ $((after - before)) = 40 ] || fail "$((after - before)) records of 40"

# ---- old files go when told
cmkfs audit rotate --keep 1 prod
sound
[ ! -e "$audit/vault-prod/log.000001.jsonl" ] && [ -e "$audit/vault-prod/log.000002.jsonl" ] ||
	fail "files: $(ls "$audit/vault-prod")"
