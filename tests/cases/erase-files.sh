# SPDX-License-Identifier: Apache-2.0
# cmkfs erase: what it refuses, whom it cuts off, that it can be interrupted,
# killed and done again; volume destroy.
. "$(dirname "$0")/../lib/case.sh"
need_fuse

mkvol vol
principal=$(cmkfs identity show --json vol | json 'd["principal"]')
cmkfs vault create a --purge-protection >/dev/null
cmkfs vault key create local://a/keys/k >/dev/null
cmkfs vault policy set a "$principal" get,wrapKey,unwrapKey >/dev/null
domount vol mnt
mkdir -p mnt/d/sub mnt/zone mnt/dz
long=$(printf 'n%.0s' {1..200})
echo one >mnt/d/one
echo two >"mnt/d/sub/$long"
ln mnt/d/one mnt/d/sub/again
ln "mnt/d/sub/$long" mnt/two
ln -s d/one mnt/symlink
ln -s nowhere mnt/d/symlink
mkfifo mnt/d/fifo
mkdir mnt/dz/z
cmkfs zone create --key local://a/keys/k mnt/zone >/dev/null
cmkfs zone create --key local://a/keys/k mnt/dz/z >/dev/null
echo inside >mnt/zone/file
before=$(find mnt | sort)
same() {
	[ "$(find mnt | sort)" = "$before" ] || fail "names went"
	[ "$(cat mnt/d/one mnt/two mnt/zone/file)" = $'one\ntwo\ninside' ] || fail "contents went"
}

# ---- refused, and nothing was touched
expect_error 1 'is a directory' cmkfs erase mnt/d
expect_error 2 'no key of its own' cmkfs erase mnt/symlink
expect_error 1 'a zone begins there' cmkfs erase -r mnt/zone
expect_error 1 'a zone begins there' cmkfs erase -r mnt/dz
expect_error 2 'root of the volume' cmkfs erase -r mnt
expect_error 2 'No such file' cmkfs erase mnt/d/one mnt/none
expect_error 2 'nothing of cmkfs' cmkfs erase vol
expect_error 2 'kind of progress' cmkfs erase --progress=loud mnt/d/one
: >exists
expect_error 1 'File exists' cmkfs erase --certificate exists mnt/d/one
inode=$(stat -c %i mnt/d/one)
ln "$(find vol/tree -inum "$inode" | head -1)" outside
expect_error 1 '3 names, of which 2 are in the volume' cmkfs erase mnt/d/one
expect_error 1 '3 names, of which 2 are in the volume' cmkfs erase -r mnt/d --certificate none
[ ! -e none ] || fail "a certificate of nothing"
rm outside
same
mkdir ro
domount vol ro -o ro
expect_error 1 'read-only' cmkfs erase ro/d/one
doumount ro
same

# ---- who holds it is cut off; all its names go
cat >held.py <<'PY'
import errno, mmap, os, signal, sys
from world import attempt as name
fd = os.open("mnt/d/one", os.O_RDWR)
m = mmap.mmap(fd, 4)
assert m[:] == b"one\n"
os.ftruncate(fd, 100000)
os.pwrite(fd, b"dirty", 50000)
print("held", flush=True)
sys.stdin.readline()
def mapped():
    pid = os.fork()
    if not pid:
        m[1]
        os._exit(0)
    return {0: "ok", signal.SIGBUS: "SIGBUS"}[os.waitpid(pid, 0)[1] & 127]
print(name(lambda: os.pread(fd, 4, 0)), name(lambda: os.pread(fd, 5, 50000)),
      name(lambda: os.ftruncate(fd, 5)), mapped(),
      name(lambda: os.open("/proc/self/fd/%d" % fd, os.O_WRONLY | os.O_TRUNC)), flush=True)
PY
coproc HELD { PYTHONPATH=$TOP/tests/lib python3 held.py; }
read -r -t 20 _ <&"${HELD[0]}"
cmkfs erase mnt/d/sub/again --certificate one >/dev/null
echo go >&"${HELD[1]}"
read -r -t 20 answer <&"${HELD[0]}"
[ "$answer" = "EIO EIO EIO SIGBUS EIO" ] || fail "held: $answer"
wait "$HELD_PID" 2>/dev/null || true
[ ! -e mnt/d/one ] && [ ! -e mnt/d/sub/again ] || fail "names are left"
[ "$(json 'sorted(d["statement"]["erased"][0]["names"])' <one)" = "['d/one', 'd/sub/again']" ] || fail "the certificate: $(cat one)"
[ "$(cat mnt/two)" = two ] || fail "another file"
echo new >mnt/d/one
[ "$(cat mnt/d/one)" = new ] || fail "a new file under the old name"
logged() { # the mount's thread writes two of them, the command the third
	cmkfs audit show --json vol | json '[(r["operation"], r["outcome"]) for r in d if r["operation"].startswith("erase")]' >log
	grep -q "('erase.object', 'ok'), .*('erase', 'ok')" log && grep -q "('erase.certificate', 'ok')" log
}
wait_for 5 logged

# ---- a directory with what is in it, a file of several zones' mount, by --volume
cmkfs erase --volume vol -r d >/dev/null # mounted: by the mount
[ ! -e mnt/d ] && [ ! -e mnt/two ] || fail "names are left"
cmkfs erase mnt/zone/file >/dev/null
doumount mnt
cmkfs verify vol >/dev/null
domount vol mnt
mkdir mnt/later
echo x >mnt/later/file
ln mnt/later/file mnt/later/"$long"
doumount mnt
expect_error 2 "'\.\.' in" cmkfs erase --volume vol ../x
expect_error 2 'No such file' cmkfs erase --volume vol later/none
cmkfs erase --volume vol later/file --certificate offline >/dev/null
[ "$(json 'len(d["statement"]["erased"][0]["names"])' <offline)" = 2 ] || fail "offline: $(cat offline)"
cmkfs erase -r --volume vol later >/dev/null
cmkfs verify vol >/dev/null
domount vol mnt
[ "$(ls mnt)" = $'dz\nsymlink\nzone' ] || fail "left: $(ls mnt)"

# ---- interrupted, killed, and done again
mkdir mnt/many mnt/rest
python3 -Ic 'import os
for i in range(1200):
    d = "mnt/many/%d" % (i % 7)
    os.makedirs(d, exist_ok=True)
    with open("%s/%d" % (d, i), "w") as f:
        f.write("sample %d" % i)
for i in range(10):
    open("mnt/rest/%d" % i, "w").write("rest")'
sync -f mnt
rc=0
cmkfs erase -r mnt/many --progress=json --certificate part 2>progress >said &
erasing=$!
wait_for 20 test -s progress
kill -INT $erasing 2>/dev/null || true
wait $erasing || rc=$?
case $rc in
9) ;;
*) echo "it was done before it was interrupted: $rc" ;;
esac
tail -1 progress | grep -q . && grep '"what": "erase"' progress | tail -1 | json 'd["objects"] <= 1200' | grep -q True || fail "progress: $(cat progress)"
n=$({ find mnt/many -type f 2>/dev/null || true; } | wc -l)
echo "interrupted with $n of 1200 left"
if [ -e part ]; then
	cmkfs certificate verify part >/dev/null
	[ $((n + $(json 'd["statement"]["files"]' <part))) = 1200 ] || fail "$n left, and in the certificate $(json 'd["statement"]["files"]' <part)"
fi
(sleep 0.25; kill -9 "$(cmkfs status --json mnt | json 'd["pid"]')") &
cmkfs erase -r mnt/many >/dev/null 2>&1 || true
wait $!
wait_for 5 eval '! is_mounted "$PWD/mnt"'
wait_for 5 domount vol mnt
echo "killed with $(find mnt/many -type f 2>/dev/null | wc -l) left"
[ ! -e mnt/many ] || cmkfs erase -r mnt/many >/dev/null || fail "after a kill"
[ ! -e mnt/many ] || fail "it is still there"
[ "$(cat mnt/rest/* | wc -c)" = 40 ] || fail "other files"
doumount mnt
cmkfs fsck vol >/dev/null || fail "fsck: $(cmkfs fsck vol)"

# ---- the whole volume
cp -a vol kept
expect_error 2 'say --yes' cmkfs volume destroy vol
domount vol mnt
expect_error 6 'mounted' cmkfs volume destroy --yes vol
doumount mnt
cmkfs volume destroy --yes vol --certificate all 2>note
grep -q 'opened by these keys' note && grep -q 'local://a/keys/k/' note || fail "the note: $(cat note)"
cmkfs certificate verify all >/dev/null
[ "$(json 'len(d["statement"]["keys"])' <all)" = 3 ] || fail "zones: $(cat all)"
[ ! -e vol/cmkfs.keys ] && [ -z "$(ls vol/cmkfs.zones)" ] || fail "keyrings are left"
expect_exit 3 cmkfs mount vol mnt
expect_exit 3 cmkfs volume destroy --yes mnt
cmkfs volume destroy --yes vol 2>/dev/null || fail "again"
