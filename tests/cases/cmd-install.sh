# SPDX-License-Identifier: Apache-2.0
# install and uninstall are symmetric, and what is installed works: mount.cmkfs
# takes what mount(8) gives it.
. "$(dirname "$0")/../lib/case.sh"
need make

mk() {
	make -s --no-print-directory -C "$TOP" O="$O" DESTDIR="$CASE_DIR/root" PREFIX=/usr "$@"
}
mkdir root
mk install
for f in usr/bin/cmkfs usr/sbin/mount.cmkfs usr/sbin/mount.fuse.cmkfs usr/share/man/man1/cmkfs.1 \
	usr/share/man/man5/cmkfs.conf.5 usr/share/man/man7/cmkfs-security.7 usr/share/man/man7/cmkfs.7 \
	usr/share/bash-completion/completions/cmkfs usr/lib/systemd/system/cmkfs@.service \
	usr/lib/systemd/system/cmkfs-maintain.service usr/lib/systemd/system/cmkfs-maintain.timer; do
	[ -e "root/$f" ] || [ -L "root/$f" ] || fail "$f was not installed"
done
grep -q '^ExecStart=/usr/bin/cmkfs mount' root/usr/lib/systemd/system/cmkfs@.service
grep -q '^ExecStart=/usr/bin/cmkfs vault maintain' root/usr/lib/systemd/system/cmkfs-maintain.service

# Completion: verbs, then the options of one.
complete_line() { # WORDS…
	bash -c '. "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _cmkfs 2>/dev/null; echo "${COMPREPLY[@]}"' \
		root/usr/share/bash-completion/completions/cmkfs "$@"
}
[ "$(complete_line cmkfs umo)" = umount ] || fail "umo completes to $(complete_line cmkfs umo)"
[[ " $(complete_line cmkfs key '') " == *" rotate "* ]] || fail "key completes to $(complete_line cmkfs key '')"
[[ " $(complete_line cmkfs key show --) " == *" --json "* ]] || fail "no --json"

# As mount(8) calls a helper.
mkvol vol
mkdir mnt
ln -s "$CMKFS" mount.cmkfs
rc=0
./mount.cmkfs vol 2>err || rc=$?
[ "$rc" = 1 ] || fail "wrong use exits $rc"
rc=0
./mount.cmkfs root mnt -o rw 2>err || rc=$?
[ "$rc" = 32 ] || fail "a failed mount exits $rc"
grep -q '^cmkfs: error: ' err
need_fuse
_mounts+=("$CASE_DIR/mnt")
./mount.cmkfs vol mnt -o rw,noauto,nofail,_netdev,user,x-systemd.automount,noatime,lease=30s
mountpoint -q mnt
grep -q " $CASE_DIR/mnt .*noatime" /proc/self/mounts || fail "noatime was lost"
doumount mnt
./mount.cmkfs -f vol mnt
! mountpoint -q mnt || fail "-f mounted"

mk uninstall
left=$(cd root && find . ! -type d)
[ -z "$left" ] || fail "left by uninstall: $left"
