# SPDX-License-Identifier: Apache-2.0
# A deployed subtree, and nothing else, can be read while its zone is locked;
# no other key is in the daemon's memory; deleting it ends that at once.
. "$(dirname "$0")/../lib/case.sh"
. "$TOP/tests/lib/customer.sh"
need_fuse
need openssl
need_root # to read the daemon's memory, and to take its log away
need mount
customer_key

uri=local://customer/keys/k
mkvol vol --key $uri
domount vol mnt
expect_error 2 'not allowed' cmkfs deploy create mnt .
doumount mnt
domount vol mnt -o allow-deployments
mkdir -p mnt/models/live/sub mnt/models/dead mnt/data
head -c 3000000 /dev/urandom >mnt/models/live/weights
cp /usr/share/common-licenses/GPL-3 mnt/models/live/sub/text
ln -s sub/text mnt/models/live/link
ln mnt/models/live/sub/text mnt/models/live/again
long=$(printf 'n%.0s' {1..200})
echo long >"mnt/models/live/$long"
truncate -s 5000000 mnt/models/live/sparse
setfattr -n user.kind -v model mnt/models/live/weights
for i in $(seq 300); do echo "file $i" >mnt/models/live/sub/f$i; done
echo dead >mnt/models/dead/file
echo data >mnt/data/file
cp -a mnt/models/live want
pid=$(cmkfs status --json mnt | json 'd["pid"]')
r=EKEYREVOKED
# The keys are in the arena that was made for them, and nothing has made a smaller one before.
python3 -Ic 'import glob, json, os, socket
s = socket.socket(socket.AF_UNIX)
s.connect(glob.glob(os.environ["CMKFS_STATE_DIR"] + "/mounts/*.sock")[0])
s.sendall(b"{\"cmd\": \"stats\"}\n")
got = json.loads(s.makefile().readline())["secret_bytes_max"]
assert got == 32 << 20, got' || fail "the arena for keys"
sum() {
	python3 -Ic 'import hashlib, os, sys
h = hashlib.sha256()
for where, dirs, files in os.walk(sys.argv[1]):
    dirs.sort()
    for f in sorted(files):
        p = os.path.join(where, f)
        st = os.lstat(p)
        h.update(repr((f, st.st_mode, st.st_size, os.readlink(p) if os.path.islink(p) else open(p, "rb").read())).encode())
print(h.hexdigest())' "$1"
}
same() {
	[ "$(sum mnt/models/live)" = "$(sum want)" ] || fail "other bytes: $*"
	[ "$(getfattr --only-values -n user.kind mnt/models/live/weights 2>/dev/null)" = model ] || fail "attribute: $*"
}
expect_error 2 'No such file' cmkfs deploy create mnt models/none
expect_error 2 'is not in' cmkfs deploy create mnt /tmp
expect_error 2 'neither' cmkfs deploy create mnt models/live/link
expect_error 2 'nothing is deployed' cmkfs deploy delete mnt models/live
cmkfs deploy create mnt models/live 2>note | grep -qx 'deployed: 306 files, 2 directories' || fail "create"
grep -q 'until cmkfs deploy delete' note || fail "no word of what it means"
expect_error 6 'deployed already' cmkfs deploy create mnt "$PWD/mnt/models/live/"
expect_error 6 'it is deployed' cmkfs erase -r mnt/models
[ "$(cmkfs deploy list --json mnt | json '[(x["path"], x["state"], x["files"]) for x in d]')" = "[('models/live', 'ready', 306)]" ] || fail "$(cmkfs deploy list mnt)"
same "unlocked"

# ---- what is held: a reader goes on through the lock, and a writer gets EROFS
cat >held.py <<'PY'
import errno, mmap, os, signal, sys
from world import attempt as name
def child(f):
    pid = os.fork()
    if not pid:
        try:
            f()
        finally:
            os._exit(0)
    return {0: "ok", signal.SIGBUS: "SIGBUS"}[os.waitpid(pid, 0)[1] & 127]
top = sys.argv[1]
fd = os.open(top + "/live/weights", os.O_RDWR)
dead = os.open(top + "/dead/file", os.O_RDWR)
m = mmap.mmap(fd, 0, prot=mmap.PROT_READ)
dm = mmap.mmap(dead, 0, prot=mmap.PROT_READ)
dirfd = os.open(top + "/live", os.O_RDONLY)
want = os.pread(fd, 3000000, 0)
assert m[:] == want and dm[0] == ord("d")
for line in sys.stdin:
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    print(name(lambda: os.pread(fd, 10, 1000000)), child(lambda: m[2000000]),
          name(lambda: os.listdir(dirfd)), name(lambda: os.fstat(fd)), name(lambda: os.lseek(fd, 0, os.SEEK_HOLE)),
          name(lambda: os.pwrite(fd, b"x", 5)), name(lambda: os.pwrite(fd, b"x" * 8192, 8192)),
          name(lambda: os.ftruncate(fd, 5)), name(lambda: os.posix_fallocate(fd, 0, 4000000)),
          name(lambda: os.pread(dead, 4, 0)), child(lambda: dm[0]), flush=True)
PY
coproc HELD { PYTHONPATH=$TOP/tests/lib python3 held.py "$PWD/mnt/models"; }
held() {
	echo go >&"${HELD[1]}"
	read -r -t 30 answer <&"${HELD[0]}"
	echo "$answer"
}
# Also a file whose pages are dirty when the lock comes.
mkdir mnt/models/dirty
echo old >mnt/models/dirty/file
cmkfs deploy create mnt models/dirty >/dev/null 2>&1
python3 -Ic 'import os
os.pwrite(os.open("mnt/models/dirty/file", os.O_RDWR), b"new" * 5000, 0)'
sync -f mnt
python3 "$TOP/tests/lib/erased.py" keys vol key.pem >deks
python3 "$TOP/tests/lib/erased.py" zone vol key.pem >zone
search() {
	python3 "$TOP/tests/lib/erased.py" memory "$pid" "$1"
}
[ "$(search zone | wc -l)" -ge 1 ] || fail "the search finds no zone key while it is unlocked"
all=$(search deks | wc -l)
[ "$all" -ge 306 ] || fail "the search finds $all data keys while it is unlocked"
python3 -Ic 'import os
os.pwrite(os.open("mnt/models/dirty/file", os.O_RDWR), b"NEW" * 5000, 0)'
echo late >mnt/models/live/late

cmkfs vault key disable $uri >/dev/null
locked() {
	[ "$(cmkfs status --json mnt | json 'd["zones"][0]["state"]')" = locked ]
}
wait_for 2 locked
rm -rf want2; cp -a want want2
expect_errno $r open mnt/models/live/late
same "locked"
[ "$(head -c 6 mnt/models/dirty/file)" = NEWNEW ] || fail "what was dirty: $(head -c 6 mnt/models/dirty/file)"
[ "$(held)" = "ok ok ok ok ok EROFS EROFS EROFS EROFS $r SIGBUS" ] || fail "held: $(held)"
for p in mnt/data mnt/data/file mnt/models/dead mnt/models/dead/file mnt/none mnt/models/none; do
	expect_errno $r stat $p
done
for p in mnt mnt/models; do
	expect_errno $r list $p
	expect_errno $r create $p/new
	expect_errno $r getxattr $p
	expect_errno ok stat $p
done
expect_errno ENOENT stat mnt/models/live/none
expect_errno EROFS create mnt/models/live/new
expect_errno EROFS mkdir mnt/models/live/sub/new
expect_errno EROFS unlink mnt/models/live/weights
expect_errno EROFS write mnt/models/live/sub/text
expect_errno ok list mnt/models/live/sub
expect_errno ok mmap mnt/models/live/weights
expect_errno EROFS create mnt/models/live/x
[ "$(ls mnt/models/live/sub | wc -l)" = 301 ] || fail "listing: $(ls mnt/models/live/sub | wc -l)"
same "after all that"

# ---- what is in memory: the keys of what is deployed, and no other
[ -z "$(search zone)" ] || fail "keys of the zone in memory: $(search zone)"
search deks >there
n=$(wc -l <there)
# 306 names, of which one is a symbolic link and two are of the same file; the dirty file; 3 directories.
[ "$n" = 308 ] || fail "$n data keys in memory instead of 308"
echo "keys in memory: $all data keys unlocked, $n locked, none of the zone's"

# ---- always shown
cmkfs status mnt | grep -q 'stays readable: models/.*deployed, 306 files' || fail "status: $(cmkfs status mnt)"
[ "$(cmkfs status --json mnt | json 'sorted((x["path"], x["state"]) for x in d["deployments"])')" = "[('models/dirty', 'serving'), ('models/live', 'serving')]" ] || fail "status --json"
cmkfs audit show --json vol | json '"\n".join(x["operation"] for x in d)' >log
[ "$(grep -c '^deploy.create' log)" = 2 ] && [ "$(grep -c '^deploy.serving' log)" = 2 ] || fail "the log: $(cat log)"

# ---- back, and denied again; other files are whole, deployed ones can be written
cmkfs vault key enable $uri >/dev/null
wait_for 2 ls mnt/data
[ "$(cat mnt/data/file mnt/models/dead/file mnt/models/live/late)" = $'data\ndead\nlate' ] || fail "others, after it"
echo more >>mnt/models/live/sub/f1
echo more >>want/sub/f1
[ "$(held)" = "ok ok ok ok ok ok ok ok ok ok ok" ] || fail "held, unlocked"
cp mnt/models/live/weights want/weights
setfattr -n user.kind -v model mnt/models/live/weights
rm mnt/models/live/late
mv mnt/models/live/sub/f2 mnt/data/f2
rm want/sub/f2
same "written"
cmkfs lock mnt >/dev/null
same "locked by an operator"
expect_errno ENOKEY stat mnt/data/f2
expect_errno ENOENT stat mnt/models/live/sub/f2
cmkfs unlock mnt

# ---- deleted under the lock, while it is read
cmkfs vault key disable $uri >/dev/null
wait_for 2 locked
same "locked again"
python3 -Ic 'import errno, os, sys, time
n = 0
try:
    while True:
        fd = os.open("mnt/models/live/sub/text", os.O_RDONLY)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        assert len(os.read(fd, 100000)) > 30000
        os.close(fd)
        n += 1
        if n == 1:
            open("reading", "w").close()
except OSError as e:
    print(n > 0, errno.errorcode[e.errno], time.time_ns() // 1000000)' >reader &
reader=$!
wait_for 20 test -e reading
watch_stalls
begin=$(date +%s%3N)
cmkfs deploy delete mnt models/live
wait $reader
read -r some how end <reader
[ "$some $how" = "True $r" ] || fail "the reader: $(cat reader)"
echo "deleted: the reader was cut off after $((end - begin)) ms"
in_time $((end - begin)) 1000 "$begin" || fail "too late"
answer=$(held)
[ "$answer" = "$r SIGBUS $r $r $r $r $r $r $r $r SIGBUS" ] ||
	[ "$answer" = "$r SIGBUS $r ok $r $r $r $r $r $r SIGBUS" ] || fail "held, deleted: $answer"
for p in mnt/models/live mnt/models/live/weights; do
	expect_errno $r stat $p
	expect_errno $r open $p
done
[ "$(head -c 6 mnt/models/dirty/file)" = NEWNEW ] || fail "another deployment"
[ "$(search deks | wc -l)" = 2 ] || fail "keys in memory: $(search deks | wc -l)"
cmkfs deploy delete mnt models/dirty
[ -z "$(search deks)" ] || fail "keys in memory: $(search deks | wc -l)"
expect_errno $r stat mnt
cmkfs deploy list --json mnt | grep -qx '\[\]' || fail "$(cmkfs deploy list mnt)"
kill "$HELD_PID"; wait "$HELD_PID" 2>/dev/null || true

# ---- the end of a mount is the end of them
cmkfs vault key enable $uri >/dev/null
wait_for 2 ls mnt/data
cmkfs deploy create mnt . >/dev/null 2>&1
cmkfs vault key disable $uri >/dev/null
wait_for 2 locked
[ "$(cat mnt/data/file)" = data ] || fail "the whole mount deployed"
exec 8<mnt/data/file
doumount mnt
! cat <&8 >/dev/null 2>&1 || fail "readable after the end of the mount"
exec 8<&-
expect_error 4 'disabled' cmkfs mount vol mnt -o allow-deployments
cmkfs vault key enable $uri >/dev/null
cmkfs verify vol >/dev/null

# ---- read-only mounts, the configuration, XTS
printf '[mount]\nallow-deployments = yes\n' >>"$CMKFS_CONFIG"
domount vol mnt -o ro
cmkfs deploy create mnt models/live >/dev/null 2>&1
cmkfs vault key disable $uri >/dev/null
wait_for 3 locked
same "read-only"
expect_errno $r open mnt/data/file
doumount mnt
cmkfs vault key enable $uri >/dev/null

# ---- where the log is required and cannot be written, what is deployed is locked, too
audit=$CMKFS_STATE_DIR/audit
domount vol mnt -o audit=required,lease=5s
cmkfs deploy create mnt models/live >/dev/null 2>&1
cmkfs lock mnt >/dev/null
same "locked by an operator, with a log"
exec 8<mnt/models/live/weights
mount --bind "$audit" "$audit"
trap '! is_mounted "$audit" || umount -l "$audit"; _cleanup' EXIT
mount -o remount,bind,ro "$audit"
wait_for 10 eval '[ "$(try read mnt/models/live/weights)" = ENOKEY ]'
! head -c 10 <&8 >/dev/null 2>&1 || fail "a held descriptor reads from the cache without a log"
umount "$audit"
wait_for 10 eval '[ "$(try read mnt/models/live/weights)" = ok ]'
exec 8<&-
same "with a log again"
cmkfs unlock mnt
doumount mnt
