#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tamper_mount.py DIR MNT --rsa-public FILE --kid URI --grant COMMAND: the reader's table of
tamperings (tests/reader/tamper.py), judged by what a read-only mount shows.

DIR is made here, by the writing twin.  For each tampering the volume is mounted, what the change
can reach is read, and it is unmounted and mended again.  A mount may refuse a volume where the
table expects that; else it must lose exactly the paths that the table names.
"""
import argparse
import hashlib
import os
import subprocess
import sys
import time

from cryptography.hazmat.primitives import serialization

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "reader"))

import cmkfs_read as r      # noqa: E402
import cmkfs_sample         # noqa: E402
import cmkfs_write as w     # noqa: E402
import tamper               # noqa: E402
import tree                 # noqa: E402

LONG = bool(os.environ.get("CMKFS_LONG"))


# What this version does not read: objects half-way through a re-key.
FURTHER = {"re-key"}


class Refused(Exception):
    pass


def is_below(paths, tops):
    """Each of the paths is one of TOPS or below it."""
    return all(any(p == top or p.startswith(top + "/") for top in tops) for p in paths)


def run(*args):
    return subprocess.run(["cmkfs", *args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, timeout=60)


class MountStore(tamper.Store):
    """The table's store, read by a mount."""

    def __init__(self, made, secrets, mnt):
        super().__init__(made, secrets)
        self.mnt = os.fsencode(mnt)

    def read(self, walk=None):
        done = run("mount", "-o", "ro", os.fsdecode(self.top), os.fsdecode(self.mnt))
        if done.returncode:
            raise Refused("exit %d: %s" % (done.returncode, done.stdout.strip()))
        try:
            self.contents = {}
            return list(self.lines(b".", os.lstat(self.mnt)))
        finally:
            for _ in range(3):
                done = run("umount", os.fsdecode(self.mnt))
                if not done.returncode:
                    break
                time.sleep(0.2)
            else:
                raise SystemExit("umount: " + done.stdout)

    def lines(self, path, _st):
        """A manifest of the mount; a directory that cannot be listed is an error."""
        full = os.path.join(self.mnt, path)
        line = {"path": os.fsdecode(path)}
        try:
            kind = tree.KINDS[os.lstat(full).st_mode & 0o170000]
        except OSError:
            line.update(type=self.made.expected.get(path, {}).get("type", "file"), error="EIO")
            yield line
            return
        line["type"], names = kind, []
        try:
            if kind == "file":
                data = self.file(full)
                self.contents[path] = [data[at:at + 4096] for at in range(0, len(data), 4096)]
                line.update(size=len(data), sha256=hashlib.sha256(data).hexdigest())
            elif kind == "symlink":
                line["target"] = os.fsdecode(os.readlink(full))
            elif kind == "dir":
                names = sorted(os.listdir(full))
            if kind in ("file", "dir"):
                line["xattrs"] = tree.xattrs(full)
                if "error" in line["xattrs"]:
                    raise OSError(5, "attributes")
        except OSError as e:
            line = {"path": line["path"], "type": kind, "error": "EIO", "errno": e.errno}
        yield line
        for name in names:
            below = name if path == b"." else os.path.join(path, name)
            yield from self.lines(below, None)

    @staticmethod
    def file(full):
        fd = os.open(full, os.O_RDONLY | os.O_NONBLOCK)
        try:
            out = b""
            while piece := os.read(fd, 1 << 20):
                out += piece
            return out
        finally:
            os.close(fd)

    def lost(self, got, scope):
        """As the table names it, but for what a mount cannot show: names without a path."""
        lines = {line["path"]: line for line in got}
        bad = set()
        for path in scope:
            want, line = self.made.expected[path], lines.get(os.fsdecode(path))
            if line is None or line.get("error") != want.get("error") or (
                    "error" not in want and line != want):
                bad.add(os.fsdecode(path))
        bad |= {path for path in lines if os.fsencode(path) not in self.made.expected}
        return {path for path in bad
                if not any(path.startswith(other + "/") for other in bad if other != path)}

    def look(self):
        names = [path for path, where in self.backing.items() if {where} == self.touched]
        got = self.read()
        if names and self.made.expected[names[0]]["type"] == "file":
            return got, names
        return got, list(self.made.expected)


def main():
    parser = argparse.ArgumentParser(description="The table of tamperings, by a mount.")
    for name in ("dir", "mnt", "--rsa-public", "--rsa-key", "--kid", "--grant"):
        parser.add_argument(name)
    options = parser.parse_args()
    with open(options.rsa_public, "rb") as file:
        public = serialization.load_pem_public_key(file.read())
    with open(options.rsa_key, "rb") as file:
        private = serialization.load_pem_private_key(file.read(), None)
    made = w.Volume(options.dir, seed=3)
    cmkfs_sample.make(made, "unclean", ("generation", "zone", "re-key"))
    for zone in made.zones:
        for g in zone.vks:
            zone.add_rsa(g, public, options.kid)
    cmkfs_sample.finish(made, "unclean")
    subprocess.run([options.grant, options.dir], check=True)
    store = MountStore(made, r.Secrets(rsa_keys=[private]), options.mnt)
    # The host remembers the sessions that it has seen; a first mount pins them.
    bad = judged = refused = 0
    end = time.monotonic() + (1500 if LONG else 45)
    before = store.lost(store.read(), made.expected)
    if store.wrong(store.read()) or before - FURTHER:
        print("untouched, it reads wrong: %s" % sorted(before))
        return 1
    # A slot that lost only zeros still authenticates here.
    table = [case._replace(wanted=None) if case.name.endswith(" cut to 8191") else case
             for case in tamper.cases(store)]
    # In the short form as many as there is time for, the rare kinds first.
    order = sorted(range(len(table)), key=lambda k: (k % 7 if not LONG else 0, k))
    for k in order:
        if time.monotonic() > end:
            break
        case, said = table[k], ""
        with store.kept():
            case.act()
            try:
                got, scope = store.look()
                wrong, lost = store.wrong(got), store.lost(got, scope)
                if case.wanted == tamper.REFUSED:
                    said = "it is mounted"
                elif wrong:
                    said = "WRONG CONTENTS: %s" % [line["path"] for line in wrong]
                elif case.wanted is not None:
                    wanted = {p for p in case.wanted if not p.endswith(tamper.NO_NAME)}
                    if not is_below(lost, before | wanted) or not is_below(wanted, lost):
                        said = "lost %s instead of %s" % (sorted(lost - before), sorted(wanted))
            except Refused as e:
                refused += 1
                if case.wanted not in (tamper.REFUSED, None):
                    said = "refused: %s" % e
        judged += 1
        if said:
            bad += 1
            if bad <= 40:
                print("%s: %s" % (case.name, said[:300]))
    if store.lost(store.read(), made.expected) != before:
        print("the table left something behind")
        bad += 1
    print("%d of %d tamperings, %d refused at the mount: %d wrong" % (
        judged, len(table), refused, bad))
    return 1 if bad or judged < 150 else 0


if __name__ == "__main__":
    sys.exit(main())
