# SPDX-License-Identifier: Apache-2.0
# The audit log: what a volume and an operator did is in it, and tampering
# with the database from outside is found.
. "$(dirname "$0")/../lib/case.sh"
need python3

sql() { # STATEMENTS: behind the vault's back
	python3 -Ic 'import sqlite3, sys
db = sqlite3.connect(sys.argv[1], timeout=10)
db.executescript(sys.argv[2])
db.close()' "$CMKFS_STATE_DIR/vault.db" "$1"
}

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
cmkfs audit show --json vol >log
seen wrapKey ok "$principal"
seen key.set ok "$principal"
[ "$(cmkfs audit show --json --last 3 vol | json 'len(d)')" = 3 ]
cmkfs audit show vol | grep -q unwrapKey || fail "no text form"
expect_error 4 'no vault nope' cmkfs audit show nope
expect_error 2 'last' cmkfs audit show --last x vol

# ---- sound, and after each kind of tampering not
sound() {
	[ "$(cmkfs audit verify --json vol | json 'd["sound"]')" = True ] || fail "the log is not sound"
}
sound
cmkfs audit verify prod >/dev/null
records=$(cmkfs audit verify --json vol | json 'd["records"]')
[ "$records" -gt 15 ] || fail "only $records records"
cp "$CMKFS_STATE_DIR/vault.db" good.db
for tamper in \
	"UPDATE audit SET outcome = 'ok' WHERE outcome = 'EACCES'" \
	"UPDATE audit SET time_ms = time_ms - 60000 WHERE seq = 3" \
	"DELETE FROM audit WHERE outcome = 'EACCES'" \
	"DELETE FROM audit WHERE seq = $records" \
	"DELETE FROM audit WHERE seq > 5" \
	"DELETE FROM audit" \
	"UPDATE audit SET seq = 10000 WHERE seq = 2; UPDATE audit SET seq = 2 WHERE seq = 3; UPDATE audit SET seq = 3 WHERE seq = 10000" \
	"UPDATE state SET audit_count = audit_count - 1; DELETE FROM audit WHERE seq = $records"; do
	sql "$tamper"
	expect_error 7 'audit log is not as it was written' cmkfs audit verify vol
	cp good.db "$CMKFS_STATE_DIR/vault.db"
	rm -f "$CMKFS_STATE_DIR"/vault.db-*
	sound
done

# ---- a forged end of the log is not gone on from
sql "DELETE FROM audit WHERE seq = $records; UPDATE state SET audit_count = audit_count - 1,
	audit_head = (SELECT hash FROM audit ORDER BY seq DESC LIMIT 1)"
expect_error 5 'tampered' cmkfs vault create other
expect_error 7 'audit log' cmkfs audit verify vol
cp good.db "$CMKFS_STATE_DIR/vault.db"
rm -f "$CMKFS_STATE_DIR"/vault.db-*
cmkfs vault create other
sound

# ---- many at once: nothing is lost, nothing out of order
before=$(cmkfs audit verify --json vol | json 'd["records"]')
for i in 1 2 3 4 5 6 7 8; do
	(
		for _ in 1 2 3 4 5; do
			cmkfs vault update other --region "r$i" || exit 1
		done
	) &
done
wait
after=$(cmkfs audit verify --json vol | json 'd["records"]')
[ $((after - before)) = 40 ] || fail "$((after - before)) records of 40"
