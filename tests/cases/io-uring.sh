#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Requests over io_uring: where the kernel does not offer it the device serves,
# and the log says why; where it does, everything gives what it gives on a plain
# directory, a revocation cuts off what is held, no write is lost by it, and
# each end of the mount, SIGKILL too, leaves nothing behind; what was read stays
# in none of the daemon's buffers after a lock.
. "$(dirname "$0")/../lib/case.sh"
. "$TOP/tests/lib/ways.sh"
need_uring
lib="$TOP/tests/lib"

echo N >$uring_switch
mkvol vol
mkdir mnt
_mounts+=("$PWD/mnt")
background cmkfs mount -f vol mnt -o io_uring 2>log
wait_for 20 is_mounted "$PWD/mnt"
wait_for 20 cmkfs status mnt
[ "$(transport mnt)" = dev ] || fail "io_uring although the kernel does not offer it"
grep -q 'not enabled in this kernel: using the device' log || fail "no word why: $(cat log)"
doumount mnt
domount vol mnt -o io_uring 2>log
grep -q 'not enabled in this kernel: using the device' log || fail "no word who asked for it: $(cat log)"
doumount mnt

echo Y >$uring_switch
domount vol mnt
[ "$(transport mnt)" = dev ] || fail "io_uring without being asked"
doumount mnt
domount vol mnt -o io_uring,allow_other
if [ "$(transport mnt)" = dev ]; then
	build=$(cmkfs version | sed -n 's/^libfuse: *//p')
	skip "libfuse $build was built without custom io"
fi
[ "$(transport mnt)" = io_uring ] || fail "not over io_uring"

chmod 0755 mnt
mkdir plain mnt/f mnt/p
python3 "$lib/fsops.py" "$PWD/plain" >plain.txt
python3 "$lib/fsops.py" "$PWD/mnt/f" >mnt.txt
python3 "$lib/fsops.py" compare plain.txt mnt.txt || fail "answers differ"
python3 "$lib/parallel.py" "$PWD/mnt/p" 1
python3 "$lib/tree.py" save mnt mnt.json
doumount mnt
domount vol mnt # what came over io_uring is read over the device
python3 "$lib/tree.py" compare mnt mnt.json || fail "something else after a remount"
doumount mnt

canaries() { # PID: how often what CANARY holds is in its memory
	python3 - "$1" <<-'PY'
		import sys
		found = 0
		with open("/proc/%s/maps" % sys.argv[1], encoding="utf-8") as maps, \
		     open("/proc/%s/mem" % sys.argv[1], "rb", 0) as mem:
		    for line in maps:
		        begin, end = (int(n, 16) for n in line.split()[0].split("-"))
		        if "[v" in line or line.split()[1][0] != "r":
		            continue
		        try:
		            mem.seek(begin)
		            found += mem.read(end - begin).count(b"canary of the plaintext")
		        except OSError:
		            pass
		print(found)
	PY
}
head -c 4M < <(yes "a canary of the plaintext") >canary
domount vol mnt -o io_uring
cp canary mnt/canary
doumount mnt
domount vol mnt -o io_uring
cmp canary mnt/canary
pid=$(cmkfs status --json mnt | json 'd["pid"]')
[ "$(canaries "$pid")" -gt 0 ] || fail "no buffer holds what was just read: nothing is tested"
cmkfs lock mnt >/dev/null
wait_for 1 eval '[ "$(canaries "$pid")" = 0 ]' # a lane that was stalled wipes when it runs
cmkfs unlock mnt >/dev/null
cmp canary mnt/canary
doumount mnt

# The same while buffers go from lane to lane.
domount vol mnt -o io_uring
pid=$(cmkfs status --json mnt | json 'd["pid"]')
python3 "$lib/hand_over.py" "$PWD/mnt" 6 >handed 2>&1 &
reads=$!
for _ in 1 2 3 4 5 6 7 8; do
	sleep 0.3
	cmkfs lock mnt >/dev/null
	wait_for 1 eval '[ "$(canaries "$pid")" = 0 ]'
	cmkfs unlock mnt >/dev/null
done
wait $reads || fail "readers and writers over io_uring: $(cat handed)"
cat handed
doumount mnt

# Read by whoever mounts below.
watch_stalls
printf '[host]\ntenant = acme\n[mount]\nio-uring = yes\n' >"$CMKFS_CONFIG"
cmkfs vault create prod --purge-protection --tenant acme >/dev/null
cmkfs vault create other --purge-protection >/dev/null
cmkfs vault key create local://prod/keys/k >/dev/null
cmkfs vault key create local://other/keys/z >/dev/null
mkvol held --key local://prod/keys/k
domount held mnt-held -o lease=1h
[ "$(transport mnt-held)" = io_uring ] || fail "not over io_uring by the configuration"
python3 "$lib/lock_ways.py" "$PWD/held" "$PWD/mnt-held" local://prod/keys/k prod local://other/keys/z
doumount mnt-held

mkvol killed
mkdir mnt-killed
_mounts+=("$PWD/mnt-killed")
python3 "$lib/kill_ways.py" "$PWD/killed" "$PWD/mnt-killed"
