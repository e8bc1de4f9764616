# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What every provider must show of leases, in the words of provider.sh, which
# reads this: the volume is vol, unmounted, and its key $uri can be used.
#
#   [server_unwraps_fail on|off]  answer everything but unwraps, which are
#                       refused as too much
#
# shellcheck disable=SC2154 # uri and server_pid: server_start

# Describing and wrapping go on for whoever asks, and help nobody.
life_only_an_unwrap_extends() {
	local begin ms
	_without server_unwraps_fail "only a successful unwrap extends a lease" && return
	domount vol mnt -o "lease=${LEASE_MS}ms,grace=0"
	server_unwraps_fail on
	begin=$(_now_ms)
	for _ in 1 2 3 4 5; do
		cmkfs status mnt >/dev/null
		expect_exit 5 cmkfs key test "$uri"
		grep -q '^wrap  *ok' <<<"$out" || fail "wrapping was to go on: $out"
	done &
	ms=$(_until ENOKEY mnt $((BOUND_MS + 4000)) "$begin") || fail "a lease lives without an unwrap"
	wait $! || fail "describing and wrapping were to go on"
	in_time "$ms" "$BOUND_MS" "$begin" || fail "a lease lived for $ms ms without an unwrap"
	echo "only a successful unwrap extends a lease: locked after $ms ms of describing and wrapping"
	server_unwraps_fail off
	_until ok mnt 40000 >/dev/null || fail "does not come back"
	doumount mnt
}

# FILES opens in each of the directories, again and again until they succeed.
_open_all() { # FILES DIR…
	python3 -I - "$@" <<-'PY'
		import os, sys, threading, time
		files, dirs = int(sys.argv[1]), sys.argv[2:]
		end = time.monotonic() + 40
		failed = []
		def some(path, k):
		    for n in range(files // 8):
		        while True:
		            try:
		                os.close(os.open(f"{path}/many/{(k * files + n) % 50}", os.O_RDONLY))
		                break
		            except OSError as e:
		                if time.monotonic() > end:
		                    failed.append(e)
		                    return
		                time.sleep(0.002)
		threads = [threading.Thread(target=some, args=(d, k)) for d in dirs for k in range(8)]
		for t in threads:
		    t.start()
		for t in threads:
		    t.join()
		sys.exit(f"{len(failed)} gave up: {failed[0]}" if failed else 0)
	PY
}

_confirmed() {
	cmkfs audit show vol 2>/dev/null | grep -c ' lease.confirm .* ok '
}

# What the mount gave up during the outage the server may still answer, one unwrap a zone.
life_one_unwrap_after_an_outage() {
	local before confirmed begin n
	_without server_unwraps "after an outage one unwrap a zone" && return
	# The first checks come after 4.5 s: none between counting and stopping.
	domount vol mnt -o lease=6s,grace=0
	mkdir mnt/second mnt/many
	cmkfs zone create --key "$uri" mnt/second >/dev/null
	mkdir mnt/second/many
	for n in $(seq 0 49); do
		echo "$n" >"mnt/many/$n"
		echo "$n" >"mnt/second/many/$n"
	done
	before=$(server_unwraps)
	confirmed=$(_confirmed)
	kill -STOP "$server_pid"
	_until ENOKEY mnt 10000 >/dev/null || fail "the outage is not noticed"
	_until ENOKEY mnt/second 10000 >/dev/null || fail "nor in the second zone"
	_open_all 1000 mnt mnt/second &
	sleep 0.5
	begin=$(_now_ms)
	kill -CONT "$server_pid"
	wait $! || fail "not all opens succeed after the outage"
	n=$(($(server_unwraps) - before))
	echo "after an outage one unwrap a zone: $n unwraps for 2 zones and 2000 opens"
	[ "$n" -le $((4 + 2 * ($(_now_ms) - begin) / 4500)) ] || fail "$n unwraps for two zones after an outage"
	wait_for 5 eval '[ "$(_confirmed)" -ge $((confirmed + 2)) ]'
	n=$(($(_confirmed) - confirmed)) # each is recorded only after a loss
	[ "$n" = 2 ] || fail "$n confirmations for two zones after an outage"
	doumount mnt
}

# MiB that can be written, synced and read in DIR in a second.
_speed() { # DIR
	python3 -I - "$1" <<-'PY'
		import os, sys, time
		data, n, end = os.urandom(1 << 20), 0, time.monotonic() + 1
		while time.monotonic() < end:
		    fd = os.open(f"{sys.argv[1]}/speed{n % 4}", os.O_RDWR | os.O_CREAT | os.O_TRUNC)
		    os.pwrite(fd, data, 0)
		    os.fsync(fd)
		    assert os.pread(fd, len(data), 0) == data
		    os.close(fd)
		    n += 1
		print(n)
	PY
}

# By turns, because other programs take their share of the machine.
life_dead_beside() {
	local alone=0 beside=0
	cmkfs identity on vol >/dev/null
	key_vaults vol beside
	domount vol mnt -o "lease=${LEASE_MS}ms,grace=1h"
	mkdir mnt/beside
	cmkfs zone create --key local://beside/keys/k mnt/beside >/dev/null
	for _ in 1 2 3; do
		alone=$((alone + $(_speed mnt/beside)))
		kill -STOP "$server_pid"
		sleep 1
		beside=$((beside + $(_speed mnt/beside)))
		kill -CONT "$server_pid"
		sleep 0.5
	done
	echo "two zones, one on a dead provider: $alone MiB alone, $beside MiB beside it in 3 s," \
		"ratio $(python3 -Ic 'import sys; print(f"{int(sys.argv[2]) / int(sys.argv[1]):.2f}")' \
			"$alone" "$beside")"
	doumount mnt
}

provider_leases() {
	life_only_an_unwrap_extends
	life_one_unwrap_after_an_outage
	life_dead_beside
}
