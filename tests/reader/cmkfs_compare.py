#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares a mounted volume, or any directory, with a manifest of cmkfs_read.py or cmkfs_write.py.

  cmkfs_compare.py MANIFEST DIR

Prints a line for each difference.  An expected error must be an error there, whatever else the
entry shows.  Exit status: 0 if there is no difference, else 1.
"""
import errno
import hashlib
import json
import os
import stat
import sys

KINDS = {stat.S_IFREG: "file", stat.S_IFDIR: "dir", stat.S_IFLNK: "symlink", stat.S_IFIFO: "fifo",
         stat.S_IFSOCK: "socket", stat.S_IFCHR: "chardev", stat.S_IFBLK: "blockdev"}


def look(path):
    """What is there, in the words of a manifest."""
    found = {}
    try:
        status = os.lstat(path)
        found["type"] = KINDS[stat.S_IFMT(status.st_mode)]
        if found["type"] == "symlink":
            found["target"] = os.readlink(path)
        elif found["type"] in ("file", "dir"):
            found["xattrs"] = {name: os.getxattr(path, name).hex()
                               for name in sorted(os.listxattr(path)) if name[:5] == "user."}
        if found["type"] == "file":
            found["size"] = status.st_size
            digest = hashlib.sha256()
            with open(path, "rb") as file:
                for piece in iter(lambda: file.read(1 << 20), b""):
                    digest.update(piece)
            found["sha256"] = digest.hexdigest()
    except OSError as error:
        found["error"] = errno.errorcode.get(error.errno, str(error))
    return found


def differences(lines, top):
    listed = set()
    for want in lines:
        path = os.path.normpath(os.path.join(top, want["path"]))
        listed.add(path)
        found, name = look(path), ascii(want["path"])
        if "error" in want or "error" in found:
            if want.get("error") != found.get("error"):
                yield "%s: expected %s, found %s" % (
                    name, want.get("error", "no error"), found.get("error", "no error"))
            continue
        for key, value in want.items():
            if key != "path" and found.get(key) != value:
                yield "%s: %s: expected %s, found %s" % (name, key, value, found.get(key))
    for where, directories, files in os.walk(top):
        for name in directories + files:
            path = os.path.normpath(os.path.join(where, name))
            if path not in listed:
                yield "%s: not in the manifest" % ascii(path)


def main():
    if len(sys.argv) != 3:
        sys.exit("usage: cmkfs_compare.py MANIFEST DIR")
    with open(sys.argv[1], encoding="ascii") as file:
        found = list(differences(map(json.loads, file), sys.argv[2]))
    for line in found:
        print(line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
