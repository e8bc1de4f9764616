# SPDX-License-Identifier: Apache-2.0
# `cmkfs benchmark` measures every load on both sides, and leaves nothing
# behind: neither in the directory nor in the host's state, however it ends.
. "$(dirname "$0")/../lib/case.sh"
need_fuse

mkdir disk
left() {
	find disk -mindepth 1
	grep -s "$PWD/disk" /proc/self/mountinfo || true
}
for cipher in gcm xts; do
	cmkfs benchmark --cipher $cipher --size 4 --files 60 --runs 2 --json disk >figures 2>said ||
		fail "benchmark: $(cat said)"
	[ "$(json 'len(d)' <figures)" = 11 ] || fail "not all loads: $(cat figures)"
	[ "$(json 'all(r["plain"] > 0 and r["encrypted"] > 0 for r in d)' <figures)" = True ] ||
		fail "a figure is missing: $(cat figures)"
	# the ratio is of speeds, also where the figures are times
	[ "$(json 'all(abs(r["ratio"] / (r["plain"] / r["encrypted"]) - 1) < 0.01 for r in d if r["unit"] == "s")' <figures)" = True ] ||
		fail "ratios of times: $(cat figures)"
	[ "$(json 'all(abs(r["ratio"] / (r["encrypted"] / r["plain"]) - 1) < 0.01 for r in d if r["unit"] != "s")' <figures)" = True ] ||
		fail "ratios of speeds: $(cat figures)"
	[ -z "$(left)" ] || fail "left behind: $(left)"
done
cmkfs benchmark --size 4 --files 60 --runs 1 disk | grep -q '^epoch, warm ' || fail "no table"
[ ! -e "$CMKFS_STATE_DIR" ] || [ -z "$(ls -A "$CMKFS_STATE_DIR")" ] || fail "the host's state was touched"

for signal in INT TERM; do
	cmkfs benchmark --size 64 --runs 99 disk >/dev/null 2>said &
	pid=$!
	wait_for 10 eval 'grep -q "$PWD/disk" /proc/self/mountinfo'
	kill -$signal $pid
	rc=0
	wait $pid || rc=$?
	[ $rc = 1 ] || fail "exit $rc after SIG$signal"
	grep -q 'error: interrupted' said || fail "SIG$signal: $(cat said)"
	[ -z "$(left)" ] || fail "left behind after SIG$signal: $(left)"
done

expect_error 2 'no cipher' cmkfs benchmark --cipher rot13 disk
expect_error 2 'size is a number' cmkfs benchmark --size -1 disk
expect_error 2 'runs is a number' cmkfs benchmark --runs 100 disk
expect_error 2 'files is a number' cmkfs benchmark --files 1x disk
expect_error 1 'No such file' cmkfs benchmark nowhere
expect_error 1 'no room' cmkfs benchmark --size 1048576 disk
expect_error 1 'mount failed' cmkfs benchmark --options nonsense disk
[ -z "$(left)" ] || fail "left behind after errors: $(left)"
