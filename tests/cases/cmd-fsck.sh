# SPDX-License-Identifier: Apache-2.0
# fsck and verify from the command line: exit codes, paths, JSON, a denied key,
# going on after an interruption, beside a mount and after a crash.
. "$(dirname "$0")/../lib/case.sh"
need_fuse

largest() { # VOLUME: the backing file of most bytes
	find "$1/tree" -type f -printf '%s %p\n' | sort -n | tail -n 1 | cut -d' ' -f2
}
flip() { # FILE OFFSET
	python3 -Ic 'import sys
f = open(sys.argv[1], "r+b"); f.seek(int(sys.argv[2])); b = f.read(1)
f.seek(-1, 1); f.write(bytes([b[0] ^ 1]))' "$1" "$2"
}

mkvol vol
domount vol mnt
mkdir -p mnt/a/b mnt/empty
seq 1000 >mnt/a/numbers
head -c 20M /dev/urandom >mnt/a/b/big
ln -s numbers mnt/a/link
ln mnt/a/numbers mnt/hard
touch "mnt/$(printf 'n%.0s' {1..200})" mnt/$'new\nline' mnt/$'not\xffutf8'
mkfifo mnt/fifo

# Beside the mount: nothing is wrong, though much has not been written yet.
expect_exit 0 cmkfs fsck vol
expect_exit 0 cmkfs verify mnt
expect_exit 0 cmkfs verify vol
expect_error 6 'mounted at .*/mnt' cmkfs fsck --repair vol
doumount mnt

expect_exit 0 cmkfs fsck vol
[ "$out" = "$PWD/vol: clean, 11 objects" ] || fail "$out"
expect_exit 0 cmkfs fsck --repair vol
expect_exit 0 cmkfs verify -j 3 vol
grep -q ': clean, 11 objects, 20.0 MiB$' <<<"$out" || fail "$out"

# Wrong use.
expect_error 2 'number of threads' cmkfs verify -j 0 vol
expect_error 2 'kind of progress' cmkfs verify --progress=loud vol
expect_error 2 'is a repair' cmkfs fsck --rebind vol
expect_error 3 'no cmkfs volume' cmkfs fsck .
expect_exit 2 cmkfs verify nowhere

# Damage: by path, by stored path, as JSON; fsck reads no contents.
big=$(largest vol)
flip "$big" $((8192 + 7 * 4096 + 100))
expect_exit 7 cmkfs verify vol
grep -q '^damaged: /a/b/big: is damaged, bytes 28672 to 32767' <<<"$out" || fail "$out"
expect_exit 7 cmkfs verify --stored-names vol
grep -q "^damaged: ${big#vol/}: " <<<"$out" || fail "$out"
grep -q big <<<"${out//"$big"/}" && fail "a plain name: $out"
out=$(cmkfs verify --json vol) && fail "exit 0"
[ "$(json 'd["result"], d["complete"], d["damaged"], d["objects"]' <<<"$out")" = "('damaged', True, 1, 11)" ] ||
	fail "$out"
[ "$(json '[(f["level"], f["kind"], f["path"], f["offset"], f["length"]) for f in d["findings"]]' <<<"$out")" = \
	"[('damaged', 'chunk', '/a/b/big', 28672, 4096)]" ] || fail "$out"
expect_exit 0 cmkfs fsck vol
domount vol mnt
expect_exit 7 cmkfs verify mnt
doumount mnt
flip "$big" $((8192 + 7 * 4096 + 100))

# Harmless leftovers: noted, then removed.
touch "vol/tree/.TAAAAAAAAAAAAAAAAAAAAAA"
truncate -s +10 "$big"
expect_exit 0 cmkfs fsck vol
[ "$(grep -c '^note: ' <<<"$out")" = 2 ] || fail "$out"
expect_exit 0 cmkfs verify vol
expect_exit 8 cmkfs fsck --repair vol
[ "$(grep -c '^repaired: ' <<<"$out")" = 2 ] || fail "$out"
expect_exit 0 cmkfs fsck vol
[ "$out" = "$PWD/vol: clean, 11 objects" ] || fail "$out"

# Names that are no text are printed so that no terminal misreads them.
for f in vol/tree/*; do # the headers of the empty files go, but that of the long name
	if [ -f "$f" ] && [ "$(stat -c %s "$f")" = 8192 ]; then
		truncate -s 0 "$f"
	fi
done
expect_exit 7 cmkfs fsck vol
grep -qF '/new\x0aline: never reached the disk' <<<"$out" || fail "$out"
grep -qF '/not\xffutf8: never reached the disk' <<<"$out" || fail "$out"
[ "$(cmkfs fsck --json vol | json 'len(d["findings"])')" = 2 ] || fail "not two findings"

# A fixed file that is damaged.
mkvol small
cp small/cmkfs.session saved
flip small/cmkfs.session 30
expect_error 7 'cmkfs.session' cmkfs fsck small
cp saved small/cmkfs.session
flip small/cmkfs.volume 40
expect_error 7 '' cmkfs fsck small
flip small/cmkfs.volume 40
expect_exit 0 cmkfs fsck small

# A denied key: nothing is read, not even names.
cmkfs identity off small
expect_error 4 '' cmkfs fsck small
expect_error 4 '' cmkfs verify small
cmkfs identity on small
expect_exit 0 cmkfs verify small

# The daemon dies: fsck says so, and settles it.
domount small m2
head -c 3M /dev/urandom >m2/file
sync -f m2
pid=$(cmkfs status --json m2 | json 'd["pid"]')
kill -9 "$pid"
wait_for 10 test ! -e "/proc/$pid"
fusermount3 -uz m2 2>/dev/null || umount -l m2 2>/dev/null || true
wait_for 10 cmkfs fsck small
out=$(cmkfs fsck small)
grep -q '^note: cmkfs.session: sessions: 1 did not end' <<<"$out" || fail "$out"
expect_exit 8 cmkfs fsck --repair small
expect_exit 0 cmkfs fsck small
grep -q '/small: clean, 1 objects$' <<<"$out" || fail "$out"

# Interrupted, and gone on with: everything is seen once.
mkvol many
domount many m3
for d in {1..20}; do
	mkdir "m3/d$d"
	for i in {1..20}; do echo "$i" >"m3/d$d/f$i"; done
	head -c 8M /dev/zero >"m3/d$d/zeros"
done
doumount m3
want=$(cmkfs verify --json many | json '(d["objects"], d["bytes"], d["damaged"])')
flip "$(largest many)" 20000
want=${want% 0)} && want="$want 1)"
rounds=0 resumed=0 ms=20
while :; do # each time a little later, so that some fall into the middle
	rc=0
	timeout --foreground -s INT "$(printf '0.%03d' "$ms")" cmkfs verify -j 1 --json --state point many \
		>report 2>errors || rc=$?
	[ "$rc" = 124 ] || break
	rounds=$((rounds + 1)) ms=$((ms + 3))
	[ "$ms" -lt 990 ] || fail "it never ends: $(cat errors)"
	[ -e point ] || continue
	resumed=$((resumed + 1))
	! grep -qE 'zeros|"path": "' point || fail "a plain name is in the state file"
done
[ "$rc" = 7 ] || fail "exit $rc: $(cat errors)"
[ ! -e point ] || fail "the state file is still there"
[ "$resumed" -gt 0 ] || fail "it was never interrupted in the middle"
got=$(json '(d["objects"], d["bytes"], d["damaged"])' <report)
[ "$got" = "$want" ] || fail "in $rounds rounds, $resumed resumed: $got instead of $want"
[ "$(json 'd["complete"], len(d["findings"])' <report)" = "(True, 1)" ] || fail "$(cat report)"
expect_exit 7 sh -c 'cmkfs verify --progress=json --json many 2>&1 >/dev/null | tail -n 1 >last; cmkfs verify many'
[ "$(json '(d["what"], d["objects"], d["rate"] > 0)' <last)" = "('verify', 440, True)" ] || fail "$(cat last)"
echo '{"volume": "x", "position": "61"}' >point
expect_error 2 'another volume' cmkfs verify --state point many
