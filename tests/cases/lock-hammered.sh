#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The key is disabled under processes that read, map and write without pause:
# afterwards no access gives a byte, the daemon's memory holds no plaintext,
# nothing that was acknowledged is lost in silence, and all is there again with
# the key.  The milliseconds are printed and not judged: this machine may be
# busy.  CMKFS_LONG=1: 1 GiB, 10,000 files, eight readers and writers.
. "$(dirname "$0")/../lib/case.sh"
need_fuse
need_root # to read the daemon's memory

mib=256 files=2000 n=4
[ -z "${CMKFS_LONG:-}" ] || mib=1024 files=10000 n=8

mkvol vol
domount vol mnt
uri=$(cmkfs key show --json vol | python3 -c 'import json,sys; print(json.load(sys.stdin)[0]["uri"])')
pid=$(cmkfs status --json mnt | python3 -c 'import json,sys; print(json.load(sys.stdin)["pid"])')
take=(--revoke "cmkfs vault key disable $uri" --restore "cmkfs vault key enable $uri")

"$O/bench/lockout" "$PWD/mnt" "${take[@]}" --pid "$pid" --errno EKEYREVOKED --mib $mib \
	--files $files --readers $n --limit 60000
"$O/bench/lockout_write" "$PWD/mnt" "${take[@]}" --writers $n
doumount mnt
