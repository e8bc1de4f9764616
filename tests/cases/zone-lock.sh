# SPDX-License-Identifier: Apache-2.0
# Zones are locked one by one: nothing of a locked one can be had, by whatever
# was held, and the others go on as if nothing were.
. "$(dirname "$0")/../lib/case.sh"
need_fuse

mkvol vol
key_vaults vol root a b
cmkfs key set vol local://root/keys/k >/dev/null
domount vol mnt
for z in a b; do
	mkdir mnt/$z
	cmkfs zone create --key local://$z/keys/k mnt/$z >/dev/null
	cp -a /usr/share/common-licenses mnt/$z/
	head -c 300000 /dev/urandom >mnt/$z/random
done
cp -a /usr/share/common-licenses mnt/
id() {
	cmkfs zone list --json mnt | json "[z['zone'] for z in d if z['path'] == '$1'][0]"
}
a=$(id a)
states() { # of root, a, b
	cmkfs status --json mnt | json '" ".join(z["errno"] or z["state"] for z in
		sorted(d["zones"], key=lambda z: 0 if not z["parent"] else 1 if z["zone"] == "'"$a"'" else 2))'
}

# What is held in zone a, tried again and again: prints what fails, and how.
cat >held.py <<'PY'
import errno, mmap, os, signal, sys
from world import attempt as name
fd = os.open("mnt/a/random", os.O_RDWR)
dirfd = os.open("mnt/a", os.O_RDONLY)
m = mmap.mmap(fd, 0, prot=mmap.PROT_READ)
want = os.pread(fd, 300000, 0)
assert m[:] == want
root = os.path.abspath("mnt")
os.chdir("mnt/a")
def mapped():
    pid = os.fork()
    if not pid:
        m[123456]
        os._exit(0)
    return {0: "ok", signal.SIGBUS: "SIGBUS"}[os.waitpid(pid, 0)[1] & 127]
def all():
    return " ".join([name(lambda: os.pread(fd, 10, 0)), name(lambda: os.pwrite(fd, want[:1], 0)),
                     name(lambda: os.listdir(dirfd)), name(lambda: os.stat("random")),
                     name(lambda: os.listdir(".")), name(lambda: os.open("random", os.O_RDONLY)),
                     name(lambda: os.open(root + "/a/random", os.O_RDONLY)),
                     name(lambda: os.mkdir("new")), mapped()])
for line in sys.stdin:
    print(all() if line.strip() == "all" else os.pread(fd, 300000, 0) == want and m[:] == want, flush=True)
PY
coproc HELD { PYTHONPATH=$TOP/tests/lib python3 held.py; }
held() { # WHAT
	echo "$1" >&"${HELD[1]}"
	read -r -t 20 answer <&"${HELD[0]}"
	echo "$answer"
}
r=EKEYREVOKED n=ENOKEY
[ "$(held all)" = "ok ok ok ok ok ok ok ok ok" ] || fail "before: $(held all)"
rmdir mnt/a/new

# ---- by the vault
cat >busy.py <<'PY'
import os, sys, time
# Reads and writes in the other zones: how many rounds, how long the longest took, when it began.
longest = rounds = since = 0
end = time.monotonic() + float(sys.argv[1])
fds = [os.open("mnt/%srandom2" % p, os.O_RDWR | os.O_CREAT) for p in ("", "b/")]
while time.monotonic() < end:
    begin = time.time_ns() // 1000000
    for fd in fds:
        os.pwrite(fd, b"x" * 4096, 0)
        os.fsync(fd)
        os.pread(fd, 4096, 0)
    os.listdir("mnt/b")
    os.stat("mnt/common-licenses/GPL-3")
    open("mnt/b/common-licenses/GPL-3").read()
    took = time.time_ns() // 1000000 - begin
    if took > longest:
        longest, since = took, begin
    rounds += 1
print(rounds, longest, since)
PY
watch_stalls
python3 busy.py 3 >busy &
busy=$!
sleep 0.5
for _ in 1 2 3; do
	cmkfs vault key disable local://a/keys/k >/dev/null
	wait_for 1 eval '[ "$(try list mnt/a)" = EKEYREVOKED ]'
	cmkfs vault key enable local://a/keys/k >/dev/null
	wait_for 2 ls mnt/a
done
wait $busy || fail "another zone was disturbed"
read -r rounds longest since <busy
echo "$rounds rounds in the other zones, the longest $longest ms"
in_time "$longest" 999 "$since" || fail "the other zones were held up for $longest ms"

cmkfs vault key disable local://a/keys/k >/dev/null
wait_for 1 eval '[ "$(try list mnt/a)" = EKEYREVOKED ]'
wait_for 5 eval '[ "$(states)" = "unlocked $r unlocked" ]' # maps are taken away after the gate is shut
[ "$(held all)" = "$r $r $r $r $r $r $r $r SIGBUS" ] || fail "held in a locked zone: $(held all)"
expect_errno $r stat mnt/a
expect_errno $r stat mnt/a/random
expect_errno $r unlink mnt/a/random
ls mnt >/dev/null || fail "the zone above does not list"
diff -r /usr/share/common-licenses mnt/common-licenses || fail "the root zone"
diff -r /usr/share/common-licenses mnt/b/common-licenses || fail "zone b"
# It can be mounted so, and comes when it is allowed again.
coproc_pid=$HELD_PID
kill "$coproc_pid"; wait "$coproc_pid" 2>/dev/null || true
doumount mnt
domount vol mnt
expect_errno $r list mnt/a
expect_errno $r stat mnt/a
ls -l mnt >/dev/null 2>&1 || true
diff -r /usr/share/common-licenses mnt/b/common-licenses || fail "zone b of a new mount"
cmkfs vault key enable local://a/keys/k >/dev/null
wait_for 2 ls mnt/a
diff -r /usr/share/common-licenses mnt/a/common-licenses || fail "zone a came back"

# ---- by an operator
coproc HELD { PYTHONPATH=$TOP/tests/lib python3 held.py; }
held all >/dev/null
rmdir mnt/a/new
cmkfs lock --zone "$a" mnt >/dev/null
[ "$(states)" = "unlocked $n unlocked" ] || fail "states: $(states)"
[ "$(held all)" = "$n $n $n $n $n $n $n $n SIGBUS" ] || fail "held in a locked zone: $(held all)"
diff -r /usr/share/common-licenses mnt/b/common-licenses || fail "zone b"
cmkfs unlock --zone "${a:0:8}" mnt
[ "$(held same)" = True ] || fail "what was held reads other bytes"
cmkfs lock --zone a mnt >/dev/null # by its path
[ "$(states)" = "unlocked $n unlocked" ] || fail "states: $(states)"
cmkfs unlock --zone a mnt

# ---- the root zone locked, the others go on for who is in them
exec 8<mnt/b/random
cmkfs lock --zone 0 mnt >/dev/null
[ "$(states)" = "$n unlocked unlocked" ] || fail "states: $(states)"
expect_errno $n list mnt
expect_errno $n open mnt/b/random # the path leads through the root
[ "$(held same)" = True ] || fail "zone a, with the root locked"
(cd /proc/self/fd && head -c 100 <&8 | wc -c) | grep -qx 100 || fail "zone b, with the root locked"
exec 8<&-
cmkfs vault key disable local://a/keys/k >/dev/null
locked_a() {
	[ "$(states)" = "$n $r unlocked" ]
}
wait_for 1 locked_a
cmkfs vault key enable local://a/keys/k >/dev/null
unlocked_a() {
	[ "$(states)" = "$n unlocked unlocked" ]
}
wait_for 2 unlocked_a # it was vouched for once
[ "$(held same)" = True ] || fail "zone a came back while the root is locked"
cmkfs unlock --zone 0 mnt
diff -r /usr/share/common-licenses mnt/common-licenses || fail "the root zone came back"

# ---- what was acknowledged before a lock is there after it
cat >storm.py <<'PY'
import os, struct, sys, time
# Writes pages until it is refused; says nothing if all of them are there when the zone is back.
PAGES = 512
def page(n):
    return struct.pack("<Q", n) * 512
fd, acked, i = os.open("mnt/a/storm", os.O_RDWR | os.O_CREAT), {}, 0
try:
    while True:
        os.pwrite(fd, page(i), i % PAGES * 4096)
        acked[i % PAGES] = i
        i += 1
        if i == 20:
            open("storming", "w").close()
except OSError:
    open("refused", "w").close()
data = b""
while len(data) < max(acked) * 4096 + 4096:
    try:
        data = os.pread(fd, PAGES * 4096, 0)
    except OSError:
        time.sleep(0.01)
lost = {s: n for s, n in acked.items()
        if data[s * 4096:s * 4096 + 4096] not in (page(n), page(n + PAGES))}
if lost:
    try:
        os.fsync(fd)
        said = "fsync said nothing"
    except OSError as e:
        said = "fsync: %s" % e
    s, n = next(iter(lost.items()))
    there = struct.unpack_from("<Q", data, s * 4096)[0]
    sys.exit("%d of %d pages were lost, the first one is %d writes behind, %s"
             % (len(lost), i, n - there, said))
PY
for _ in 1 2 3; do
	python3 storm.py &
	storm=$!
	wait_for 20 test -e storming
	rm storming
	sleep 0.7
	cmkfs lock --zone a mnt >/dev/null
	wait_for 20 test -e refused
	rm refused
	cmkfs unlock --zone a mnt
	wait $storm || fail "written pages are lost: $(cmkfs audit show vol | grep mount.lock | tail -1)"
done

# ---- all
cmkfs lock mnt >/dev/null
[ "$(states)" = "$n $n $n" ] || fail "states: $(states)"
cmkfs unlock mnt
[ "$(states)" = "unlocked unlocked unlocked" ] || fail "states: $(states)"
for z in . a b; do
	diff -r /usr/share/common-licenses mnt/$z/common-licenses || fail "$z"
done
kill "$HELD_PID"; wait "$HELD_PID" 2>/dev/null || true

# ---- the root denied at the mount: the others wait for it
doumount mnt
cmkfs vault key disable local://root/keys/k >/dev/null
expect_error 4 'disabled' cmkfs mount vol mnt
domount vol mnt -o locked
[ "$(states)" = "$r $n $n" ] || fail "states: $(states)"
cmkfs vault key enable local://root/keys/k >/dev/null
all_open() {
	[ "$(states)" = "unlocked unlocked unlocked" ]
}
wait_for 3 all_open
for z in . a b; do
	diff -r /usr/share/common-licenses mnt/$z/common-licenses || fail "$z"
done

# ---- a daemon that dies
echo more >mnt/a/more
sync mnt/a/more
kill -9 "$(cmkfs status --json mnt | json 'd["pid"]')"
wait_for 5 eval '! is_mounted "$PWD/mnt"' # the janitor takes it away
wait_for 5 domount vol mnt
[ "$(cat mnt/a/more)" = more ] || fail "after the death of the daemon"
doumount mnt
cmkfs verify vol >/dev/null
