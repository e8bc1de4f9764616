#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""An independent reader of cmkfs volumes, written from cmkfs-format(5) alone.

It opens the backing directory with a vault key, a private RSA key, a passphrase or the shares of
an all-of group, and lists, prints, extracts or describes what it holds.  It changes nothing.
Errors of single files are reported and do not end it.

  cmkfs_read.py DIR --vk-file F | --rsa-key F | --passphrase-file F | --share-file F
                    [--fingerprint HEX] [--ls] [--cat PATH] [--extract DIR] [--manifest] [--check]

--manifest prints a line of JSON for each object: path, type, then size and sha256, or target, or
error; xattrs as hex.  Exit status: 0; 1 if some object could not be read; 2 if the volume.
"""
import argparse
import hashlib
import json
import os
import stat
import sys

from cryptography.hazmat.primitives import serialization

sys.dont_write_bytecode = True

import cmkfs_format as f                                            # noqa: E402
from cmkfs_format import FormatError                                # noqa: E402
from cmkfs_keys import Secrets, Zone, need                          # noqa: E402
from cmkfs_slots import GroupSlot, HeaderSlot, read_pair            # noqa: E402


class IntegrityError(Exception):
    """What the filesystem answers with EIO."""


def read_file(path, limit):
    with open(path, "rb") as file:
        return file.read(limit + 1)


# ---- objects

class Object:
    """A file or directory: its header, and the contents of a file."""

    def __init__(self, volume, path, zone, expected_type):
        self.volume, self.path, self.type, self.zone_above = volume, path, expected_type, zone
        try:
            self.fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError as error:
            raise IntegrityError("no header: %s" % error.strerror) from None
        try:
            if not stat.S_ISREG(os.fstat(self.fd).st_mode):
                raise IntegrityError("no header: not a regular file")
            self.load()
        except BaseException:
            self.close()
            raise

    def load(self):
        self.pairs = {}

        def make(block, parity):
            return HeaderSlot(block, parity, self.volume, self.zone_above)
        self.head, self.other, reasons = read_pair(self.fd, 0, make)
        if not self.head:
            raise IntegrityError("no valid header: " + reasons)
        try:
            self.head.check(self.type)
        except FormatError as error:
            raise IntegrityError("header: %s" % error) from None
        try:
            if self.other:
                self.other.check(self.type)
        except FormatError:
            self.other = None
        self.size, self.id = self.head.size, self.head.h.object_id
        self.zone = self.head.zone if self.head.h.flags & f.F_ZONE_ROOT else self.zone_above
        self.keys = [self.head.keys[e] for e in sorted(self.head.keys, reverse=True)]

    def close(self):
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def check_tag(self, directory_id, name, bind_zone):
        """The binding of 3.12; bind_zone is the zone of the directory."""
        if self.volume.binding == 0 or self.head.h.flags & f.F_OVERFLOW:
            return
        zones = [bind_zone] + ([self.volume.zones[bind_zone.parent]] if bind_zone.takes else [])
        tags = [zone.keys.tag(directory_id, name) for zone in zones]
        if not any(f.same(tag, own) for own in self.head.tags() for tag in tags):
            if self.volume.binding == 2:
                raise IntegrityError("not bound to this name")
            self.volume.note(self.path, "not bound to this name")

    def pair(self, g):
        if g == 0:
            return self.head, self.other
        if g not in self.pairs:
            self.pairs[g] = read_pair(self.fd, f.group_base(g), lambda block, parity:
                                      GroupSlot(block, parity, g, self.head.keys))[:2]
        return self.pairs[g]

    def chunk(self, i):
        """Plaintext of chunk i without its trailing zeros, or IntegrityError (3.9)."""
        for _ in range(2):
            try:
                return self.chunk_once(i)
            except IntegrityError:
                self.load()     # a writer may have been at work
        return self.chunk_once(i)

    def chunk_once(self, i):
        if self.head.h.suite == f.XTS:
            return self.xts_chunk(i)
        g, _ = f.group_of(i)
        if not self.head.present(g):
            return b""
        slot, other = self.pair(g)
        if slot is None:
            if self.volume.unclean(self.head.session) and (self.head.base == 0 or (
                    self.other and self.other.n == self.head.base and not self.other.present(g))):
                self.volume.note(self.path, "group %d: never written" % g)
                return b""
            raise IntegrityError("group %d has no valid slot" % g)
        data = slot.read(i, self.fd)
        if data is not None:
            return data
        if not self.volume.unclean(slot.session):
            raise IntegrityError("chunk %d does not verify" % i)
        data = b"" if slot.base == 0 else None
        if slot.base and other and other.n == slot.base:
            data = other.read(i, self.fd)
        if data is None:
            raise IntegrityError("chunk %d: neither the slot nor its base verifies" % i)
        self.volume.note(self.path, "chunk %d: read from the base" % i)
        return data

    def window(self):
        """Chunks that are being re-keyed, as they were: from the record beside the header."""
        h = self.head.h
        try:
            with open(os.path.join(self.volume.path, b"cmkfs.journal", h.object_id.hex().encode()),
                      "rb") as file:
                block, data = file.read(f.BLOCK), file.read()
        except OSError:
            return {}
        if len(block) < f.BLOCK or not f.same(block[4064:], f.mac(
                self.keys[0].header(), block[:4064] + data)):
            return {}
        record = f.RECORD.unpack(block)
        if (record.magic != b"CMKFSXTJ" or record.epoch != h.epoch or record.n != h.n or
                record.first != h.xts_done or len(data) != record.count * f.CHUNK):
            return {}
        return {record.first + i: data[i * f.CHUNK:(i + 1) * f.CHUNK] for i in range(record.count)}

    def xts_chunk(self, i):
        data = os.pread(self.fd, f.CHUNK, f.xts_place(i)).ljust(f.CHUNK, b"\0")
        if not any(data):
            return b""
        old = self.head.h.flags & f.F_REKEY and i >= self.head.h.xts_done
        if old:
            data = self.window().get(i, data)
            if not any(data):
                return b""
        return f.xts(self.keys[1 if old else 0].xts(), i, data, False)

    def read(self):
        """The contents, chunk by chunk, each of its full length."""
        i = 0
        while i < f.chunks_of(self.size):
            want = min(f.CHUNK, self.size - i * f.CHUNK)
            yield self.chunk(i)[:want].ljust(want, b"\0")
            i += 1

    def content_commitment(self):
        """cc of 3.15."""
        h, block = self.head.h, self.head.block
        out = hashlib.sha256(b"cmkfs1 cc" + h.object_id + h.suite.to_bytes(2, "little") + f.le64(
            h.size) + b"".join(map(f.le32, (h.epoch, h.group_count, h.s))) + block[512:992] +
            block[1024:])
        for g in filter(self.head.present, range(1, h.group_count)):
            slot = self.pair(g)[0]
            if slot is None:
                raise IntegrityError("group %d has no valid slot" % g)
            out.update(f.le32(g) + f.le32(slot.h.epoch) + f.le32(slot.s) + slot.block[64:])
        return out.digest()

    def xattrs(self, path):
        """The user.* attributes; None is the value of one that does not authenticate."""
        found = {}
        for stored in os.listxattr(path, follow_symlinks=False):
            raw = os.fsencode(stored)
            if not raw.startswith(b"user.") or raw == f.XATTR_NEW:
                continue
            name = value = None
            for key in self.keys if raw.startswith(f.XATTR_PREFIX) else ():
                try:
                    name = key.xattr_names().open(f.unb64(raw[len(f.XATTR_PREFIX):]))
                    value = f.open_text(key.xattr_value(), os.getxattr(
                        path, stored, follow_symlinks=False), key.xattr_names().t(name))
                    break
                except FormatError:
                    pass
            if name is None:
                self.volume.note(path, "foreign attribute " + ascii(raw)[2:-1])
            elif key is self.keys[0] or b"user." + name not in found:
                found[b"user." + name] = value
        return found


# ---- directories and the volume

KINDS = {stat.S_IFREG: "file", stat.S_IFDIR: "dir", stat.S_IFLNK: "symlink", stat.S_IFIFO: "fifo",
         stat.S_IFSOCK: "socket", stat.S_IFCHR: "chardev", stat.S_IFBLK: "blockdev"}


class Node:
    """An entry of a directory; error says why it has no name or cannot be used."""

    def __init__(self, stored, name, path, key=None, error=None):
        self.stored, self.name, self.path, self.key, self.error = stored, name, path, key, error
        try:
            self.kind = KINDS[stat.S_IFMT(os.lstat(path).st_mode)]
        except OSError:
            self.kind = "unknown"


class Directory(Object):
    def __init__(self, volume, path, zone, directory_id, name):
        super().__init__(volume, os.path.join(path, b".D"), zone, f.T_DIR)
        with self:
            self.backing = path
            self.check_tag(directory_id, name, zone)

    def decode(self, stored):
        """(name, key of its epoch) of a stored name, None if it is not listed."""
        if stored == b".D" or f.RE_TEMP.match(stored):
            return None
        if self.volume.plain:
            return stored, self.keys[0]
        if f.RE_SIDECAR.match(stored):
            return None
        long_name, sealed = f.RE_LONG.match(stored), None
        if long_name:
            path = os.path.join(self.backing, b".N" + long_name[1])
            need(os.path.isfile(path) and not os.path.islink(path), "long name without sidecar")
            sealed = read_file(path, 4 + 16 + 256)
            need(sealed[:4] == b"CMKN", "sidecar")
            sealed = sealed[4:]
        else:
            sealed = f.unb64(stored)
        for key in self.keys:
            try:
                name = key.names().open(sealed, self.volume.padding)
            except FormatError as error:
                last = error
                continue
            need(key.names().stored(name, self.volume.padding)[0] == stored, "name in wrong form")
            return name, key
        raise last

    def list(self):
        """Nodes sorted by name; those without a valid name come last."""
        good, bad = {}, []
        for stored in sorted(os.listdir(self.backing)):
            path = os.path.join(self.backing, stored)
            try:
                found = self.decode(stored)
            except FormatError as error:
                bad.append(Node(stored, None, path, error=str(error)))
                continue
            if found and (found[0] not in good or found[1] is self.keys[0]):
                good[found[0]] = Node(stored, found[0], path, found[1])
        return [good[name] for name in sorted(good)] + bad

    def open(self, node):
        """The file or directory behind a node, its binding checked."""
        if node.kind == "dir":
            return Directory(self.volume, node.path, self.zone, self.id, node.name)
        file = Object(self.volume, node.path, self.zone, f.T_FILE)
        try:
            file.check_tag(self.id, node.name, self.zone)
        except IntegrityError:
            file.close()
            raise
        return file

    def target(self, node):
        for key in sorted(self.keys, key=lambda k: k is not node.key):
            try:
                blob = f.unb64(os.readlink(node.path))
                aad = key.names().t(node.name, self.volume.padding)
                return f.open_text(key.symlink(), blob, aad)
            except FormatError as error:
                last = error
        raise IntegrityError("symlink: %s" % last)


class Volume:
    """A whole volume.  Raises FormatError if it cannot be opened with these secrets."""

    def __init__(self, path, secrets, fingerprint=None):
        self.path, self.secrets, self.notes, self.zones = os.fsencode(path), secrets, {}, {}
        data = self.fixed("cmkfs.volume", f.BLOCK)
        v = f.VOLUME.unpack(data)
        need(len(data) == f.BLOCK and v.magic == b"CMKFSVOL", "not a cmkfs volume")
        need(v.version == f.VOLUME_VERSION, "volume version %#x" % v.version)
        self.vol_id, self.volume = v.vol_id, v
        self.root_zone = Zone(self.fixed("cmkfs.keys", 1 << 20), v.vol_id, v.zone_id, secrets)
        self.zones[v.zone_id] = self.root_zone
        keys, head = self.root_zone.keys, self.root_zone.head
        need(f.same(f.mac(keys.volume, data[:4064]), data[4064:]), "volume MAC")
        need(f.same(keys.fingerprint, v.fingerprint), "fingerprint of the volume file")
        need(fingerprint is None or f.same(keys.fingerprint, fingerprint), "pinned fingerprint")
        need(head.parent == f.ZERO16 and head.endorsement == f.ZERO32, "root keyring has a parent")
        need(v.incompat == 0, "unknown incompat bits")
        need(not v.reserved and not v.reserved2 and not any(data[124:4064]), "reserved bytes")
        need(v.suite in (f.GCM, f.XTS) and v.name_mode <= 1 and v.padding in (16, 32) and
             v.binding <= 2 and v.crash <= 1, "volume options")
        need((v.chunk_size, v.first_chunks, v.group_chunks) == (4096, 96, 126), "geometry")
        self.plain, self.padding, self.binding = v.name_mode == 0, v.padding, v.binding
        self.load_session()

    def fixed(self, name, limit):
        try:
            return read_file(os.path.join(self.path, name.encode()), limit)
        except OSError as error:
            raise FormatError("%s: %s" % (name, error.strerror)) from None

    def load_session(self):
        data = self.fixed("cmkfs.session", f.BLOCK)
        s = f.SESSION.unpack(data)
        need(len(data) == f.BLOCK and s.magic == b"CMKFSSES" and s.version == 1, "session file")
        need(s.vol_id == self.vol_id, "session file of another volume")
        need(f.same(f.mac(self.root_zone.keys.session, data[:4064]), data[4064:]), "session MAC")
        end = f.SESSION.size + 8 * s.count
        need(s.count <= f.MAX_UNCLEAN and not any(data[end:4064]) and not s.reserved and
             s.open <= s.seq, "session file")
        self.session = s
        self.unclean_list = {int.from_bytes(data[at:at + 8], "little")
                             for at in range(f.SESSION.size, end, 8)}

    def unclean(self, session):
        if session > self.session.seq:
            self.load_session()
        return session in self.unclean_list or session == self.session.open != 0

    def note(self, path, what):
        """What a mount would put into its audit log."""
        self.notes[path, what] = True

    def zone_below(self, zone, zone_id, is_root):
        """The zone of an object reached through a directory of this zone."""
        if not is_root or zone_id == zone.zone_id:
            if zone.takes and zone_id == zone.parent and not is_root:
                return self.zones[zone_id]      # still as it was in the zone above
            need(zone_id == zone.zone_id and not is_root, "object of another zone")
            return zone
        if zone_id not in self.zones:
            name = "cmkfs.zones/%s.keys" % zone_id.hex()
            child = Zone(self.fixed(name, 1 << 20), self.vol_id, zone_id, self.secrets)
            need(child.parent == zone.zone_id, "zone of another parent")
            own = f.mac(zone.keys.endorse, self.vol_id + zone_id + child.keys.fingerprint)
            need(f.same(own, child.head.endorsement), "endorsement of the zone")
            self.zones[zone_id] = child
        need(self.zones[zone_id].parent == zone.zone_id, "zone of another parent")
        return self.zones[zone_id]

    def root(self):
        return Directory(self, os.path.join(self.path, b"tree"), self.root_zone, f.ZERO16, b"")

    def walk(self):
        """Yields (path, node, parent directory, object, error) from the top down."""
        node = Node(b"tree", b"", os.path.join(self.path, b"tree"))
        try:
            root = self.root()
        except (IntegrityError, OSError) as failure:
            yield b"", node, None, None, failure
            return
        yield b"", node, None, root, None
        yield from self.below(root, b"")

    def below(self, directory, path):
        for node in directory.list():
            yield from self.entry(directory, node, path)

    def entry(self, directory, node, path):
        """What walk() yields for a node of a directory, and what is below it."""
        where = b"/".join(filter(None, (path, node.name)))
        found = error = None
        try:
            if node.error is None and node.kind in ("file", "dir"):
                found = directory.open(node)
        except (IntegrityError, OSError) as failure:
            error = failure
        yield where, node, directory, found, error or node.error
        if found and node.kind == "dir":
            yield from self.below(found, where)
        elif found:
            found.close()

    def find(self, path):
        """(node, directory) of a path."""
        directory, parts = self.root(), [p for p in path.split(b"/") if p]
        for k, part in enumerate(parts):
            node = next((n for n in directory.list() if n.name == part), None)
            if node is None:
                raise FileNotFoundError(2, "No such file", os.fsdecode(path))
            if k == len(parts) - 1:
                return node, directory
            directory = directory.open(node)
        raise IsADirectoryError(21, "Is a directory", os.fsdecode(path))

    def manifest(self, extract=None, walk=None):
        """Yields a dictionary for each object; extract(path, node, line, chunks) is given the
        contents.  The detail of an error goes to the notes."""
        for path, node, directory, found, error in walk or self.walk():
            line = {"path": os.fsdecode(path) or ".", "type": node.kind}
            try:
                if error:
                    raise IntegrityError(str(error))
                self.describe(line, path, node, directory, found, extract)
            except (IntegrityError, OSError) as failure:
                self.note(path, str(failure))
                line.pop("sha256", None)
                line["error"] = "EIO"
                if node.name is None:
                    line["stored"] = os.fsdecode(node.stored)
            yield line

    def describe(self, line, path, node, directory, found, extract):
        data = None
        if node.kind == "file":
            line["size"] = found.size
            data, digest = [] if extract else None, hashlib.sha256()
            for piece in found.read():
                digest.update(piece)
                if extract:
                    data.append(piece)
            line["sha256"] = digest.hexdigest()
        elif node.kind == "symlink":
            line["target"] = os.fsdecode(directory.target(node))
        if found:
            values = found.xattrs(node.path)
            line["xattrs"] = {os.fsdecode(k): v if v is None else v.hex()
                              for k, v in sorted(values.items())}
            if None in values.values():
                self.note(path, "attribute does not authenticate")
        if extract:
            extract(path, node, line, data)


# ---- the command

def extractor(top):
    os.makedirs(top, exist_ok=True)

    def extract(path, node, line, data):
        where = os.path.join(os.fsencode(top), path)
        if node.kind == "dir":
            os.makedirs(where, exist_ok=True)
        elif node.kind == "symlink":
            os.symlink(os.fsencode(line["target"]), where)
        elif node.kind == "file":
            with open(where, "xb") as file:
                for piece in data:
                    if any(piece):
                        file.write(piece)
                    else:
                        file.seek(len(piece), os.SEEK_CUR)
                file.truncate(line["size"])
        for name, value in line.get("xattrs", {}).items():
            if value is not None:
                os.setxattr(where, name, bytes.fromhex(value), follow_symlinks=False)
    return extract


def key_material(data):
    """One or more keys of 32 bytes: raw, or lines of hex."""
    try:
        return [bytes.fromhex(line) for line in data.decode("ascii").split()]
    except ValueError:
        return [data[at:at + 32] for at in range(0, len(data), 32)]


def secrets_of(options):
    shares = {}
    for name in options.share_file:
        for line in read_file(name, 65536).decode().splitlines():
            slot, value = line.split()
            shares[int(slot)] = bytes.fromhex(value)
    return Secrets(
        [vk for name in options.vk_file for vk in key_material(read_file(name, 65536))],
        [serialization.load_pem_private_key(read_file(name, 65536), None)
         for name in options.rsa_key],
        [read_file(name, 65536).rstrip(b"\n") for name in options.passphrase_file], shares)


def main():
    parser = argparse.ArgumentParser(description="Read a cmkfs volume without mounting it.")
    parser.add_argument("dir")
    for name, what in (("vk-file", "vault keys, raw or hex"), ("rsa-key", "private key, PEM"),
                       ("passphrase-file", "passphrase"), ("share-file", "lines: slot id, hex")):
        parser.add_argument("--" + name, action="append", default=[], metavar="FILE", help=what)
    parser.add_argument("--fingerprint", type=bytes.fromhex, metavar="HEX", help="what to expect")
    parser.add_argument("--cat", metavar="PATH")
    parser.add_argument("--extract", metavar="DIR")
    for name in ("ls", "manifest", "check"):
        parser.add_argument("--" + name, action="store_true")
    options = parser.parse_args()
    try:
        volume = Volume(options.dir, secrets_of(options), options.fingerprint)
    except (FormatError, OSError, ValueError) as error:
        print("cmkfs_read: %s: %s" % (options.dir, error), file=sys.stderr)
        return 2
    try:
        if options.cat is not None:
            node, directory = volume.find(os.fsencode(options.cat))
            with directory.open(node) as file:
                for piece in file.read():
                    sys.stdout.buffer.write(piece)
            sys.stdout.flush()
    except (IntegrityError, OSError) as error:
        print("cmkfs_read: %s: %s" % (options.cat, error), file=sys.stderr)
        return 1
    failed = False
    if options.ls or options.manifest or options.check or options.extract:
        for line in volume.manifest(options.extract and extractor(options.extract)):
            failed = failed or "error" in line or None in line.get("xattrs", {}).values()
            if options.manifest:
                print(json.dumps(line))
            elif options.ls:
                print(ascii(line["path"])[1:-1] if not line["path"].isprintable()
                      else line["path"])
    for path, what in volume.notes:
        print("cmkfs_read: %s: %s" % (os.fsdecode(path), what), file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
