#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# PostgreSQL on a mount whose daemon is killed under pgbench: the server recovers
# after the next mount, and every transaction that a client saw committed is in
# the history table.
. "$(dirname "$0")/../lib/case.sh"
need_fuse
need_root
bin=$(find /usr/lib/postgresql -maxdepth 2 -name bin 2>/dev/null | sort -V | tail -n 1)
[ -x "$bin/postgres" ] && [ -x "$bin/pgbench" ] || skip "postgresql is not installed"
id postgres >/dev/null 2>&1 || skip "there is no user postgres"

chmod 0755 "$CASE_DIR"
as() {
	runuser -u postgres -- "$@"
}
sql() {
	as "$bin/psql" -h "$CASE_DIR/run" -Atqc "$1" postgres
}
start() {
	as "$bin/pg_ctl" -D mnt/data -l run/log -w -t 60 -o "-k $CASE_DIR/run -c listen_addresses=" start \
		>/dev/null || fail "the server does not start: $(tail -n 20 run/log)"
	server=$(head -n 1 mnt/data/postmaster.pid)
}
mkdir run
chown postgres run
mkvol vol
domount vol mnt -o allow_other
mkdir mnt/data
chown postgres mnt/data
chmod 0700 mnt/data
as "$bin/initdb" -D mnt/data -A trust >/dev/null
start
as "$bin/pgbench" -h "$CASE_DIR/run" -i -s 2 -q postgres >/dev/null 2>&1
sql "CREATE TABLE seen (n bigserial PRIMARY KEY, client int)"

for round in $(seq "${ROUNDS:-10}"); do
	before=$(sql "SELECT count(*) FROM pgbench_history")
	as "$bin/pgbench" -h "$CASE_DIR/run" -n -c 4 -T 30 --log --log-prefix="$CASE_DIR/run/seen" postgres >pgbench.log 2>&1 &
	bench=$!
	sleep "$((RANDOM % 4 + 1)).$((RANDOM % 10))"
	kill -9 "$(cmkfs status --json mnt | json 'd["pid"]')"
	wait "$bench" || true
	# shellcheck disable=SC2046 # a list of numbers
	kill -9 "$server" $(pgrep -P "$server") 2>/dev/null || true
	umount -l mnt 2>/dev/null || true
	wait_for 20 eval '! kill -0 "$server"'
	domount vol mnt -o allow_other
	rm -f mnt/data/postmaster.pid
	start
	acked=$(cat run/seen.* 2>/dev/null | wc -l)
	rm -f run/seen.*
	after=$(sql "SELECT count(*) FROM pgbench_history")
	[ "$after" -ge $((before + acked)) ] ||
		fail "round $round: $before and $acked committed, $after there"
	[ "$(sql "SELECT (SELECT sum(abalance) FROM pgbench_accounts) = (SELECT sum(delta) FROM pgbench_history)")" = t ] ||
		fail "round $round: balances do not match the history"
	echo "round $round: $acked committed, all there"
done
as "$bin/pg_ctl" -D mnt/data stop -m fast >/dev/null
doumount mnt
