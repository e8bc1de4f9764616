#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The writing twin of cmkfs_read.py: makes whole cmkfs volumes, from cmkfs-format(5) alone.

It makes the volumes that tests need, with every form of file that the format knows, torn and
damaged ones included, and prints the manifest of what should be read back.  It is no tool for
real data: it knows no write order, and --seed makes keys and IVs predictable.
"""
import argparse
import contextlib
import hashlib
import json
import os
import random
import sys

from cryptography.hazmat.primitives import serialization

sys.dont_write_bytecode = True

import cmkfs_format as f            # noqa: E402
import cmkfs_sample                 # noqa: E402

INIT_SESSION, CLEAN = 1, 3     # sessions that ended clean; 5, in cmkfs_sample.py, did not
HOLE = bytes(f.ENTRY)


def pack_slot(ident, kind, role, group, kid, params, blob):
    body = kid.encode() + params + blob
    length = f.SLOT.size + len(body)
    length += -length % 8
    return (f.SLOT.pack(length=length, id=ident, type=kind, role=role, group=group, reserved=0,
                        kid_len=len(kid.encode()), params_len=len(params), blob_len=len(blob)) +
            body).ljust(length, b"\0")


class Zone:
    """A zone with its vault keys by generation, and the slots that hold them."""

    def __init__(self, volume, vks, parent=None):
        self.volume, self.parent = volume, parent
        self.zone_id, zik = volume.rand(16), volume.rand(32)
        self.keys = f.ZoneKeys(zik, volume.vol_id, self.zone_id)
        self.vks = dict(enumerate(vks, 1))
        self.active = len(vks)
        self.slots = {g: [] for g in self.vks}

    def ctx(self, g):
        return f.zone_ctx(self.volume.vol_id, self.zone_id, g)

    def kek(self, g):
        return f.vk_key(self.vks[g], "kek", self.ctx(g))

    def add(self, g, kind, role, group, kid, params, blob):
        self.slots[g].append(pack_slot(len(self.slots[g]) + 1, kind, role, group, kid, params,
                                       blob))

    def add_rsa(self, g, key, kid, follow=False, secret=None, group=0):
        share = secret is not None
        self.add(g, f.S_PROVIDER_RSA, f.ROLE_SHARE if share else 2, group, kid,
                 bytes([f.SLOT_FOLLOW]) if follow else b"",
                 key.encrypt(secret if share else self.vks[g], f.oaep()))

    def add_passphrase(self, g, text, secret=None, group=0, iterations=600000):
        share, salt = secret is not None, self.volume.rand(16)
        self.add(g, f.S_PASSPHRASE, f.ROLE_SHARE if share else 3, group, "",
                 salt + f.le32(iterations),
                 f.wrap(f.passphrase_key(text, salt, iterations),
                        secret if share else self.vks[g]))

    def add_all_of(self, g, key, kid, text, group=1):
        """An RSA key and a passphrase, both needed."""
        shares = [self.volume.rand(32), self.volume.rand(32)]
        self.add_rsa(g, key, kid, secret=shares[0], group=group)
        self.add_passphrase(g, text, secret=shares[1], group=group)
        self.add(g, f.S_COMBINER, 2, group, "", b"",
                 f.wrap(f.all_of_key(shares, self.ctx(g)), self.vks[g]))

    def keyring(self):
        v, body = self.volume, b""
        for g in sorted(self.vks, reverse=True):
            ctx, slots = self.ctx(g), b"".join(self.slots[g])
            body += f.GENERATION.pack(
                magic=b"GEN1", length=f.GENERATION.size + len(slots), g=g, created=v.created,
                state=f.G_ACTIVE if g == self.active else f.G_UNWRAP_ONLY, reserved=0,
                slots=len(self.slots[g]), key_id=f.vk_key(self.vks[g], "key-id", ctx),
                zik=f.wrap(f.vk_key(self.vks[g], "zik", ctx), self.keys.zik)) + slots
        up = self.parent
        body = f.KEYRING.pack(
            magic=b"CMKFSKEY", version=1, flags=0, length=f.KEYRING.size + len(body) + 32,
            vol_id=v.vol_id, zone_id=self.zone_id, seq=1, active=self.active,
            count=len(self.vks), parent=up.zone_id if up else f.ZERO16,
            endorsement=f.mac(up.keys.endorse, v.vol_id + self.zone_id + self.keys.fingerprint)
            if up else f.ZERO32, written=v.created, reserved=bytes(8)) + body
        return body + f.mac(self.keys.keyring, body)


def volume_block(volume, root):
    block = f.VOLUME.pack(
        magic=b"CMKFSVOL", version=f.VOLUME_VERSION, reserved=0, incompat=0, ro_compat=0,
        compat=0, vol_id=volume.vol_id, zone_id=root.zone_id, suite=volume.suite,
        name_mode=0 if volume.plain else 1, padding=volume.padding, binding=volume.binding,
        crash=volume.crash, reserved2=0, created=volume.created, seq=1,
        fingerprint=root.keys.fingerprint, chunk_size=f.CHUNK, first_chunks=f.FIRST_CHUNKS,
        group_chunks=f.GROUP_CHUNKS).ljust(4064, b"\0")
    return block + f.mac(root.keys.volume, block)


def session_block(root, seq, open_session, unclean):
    block = f.SESSION.pack(magic=b"CMKFSSES", version=1, reserved=0, count=len(unclean),
                           vol_id=root.volume.vol_id, seq=seq, open=open_session)
    block = (block + b"".join(map(f.le64, unclean))).ljust(4064, b"\0")
    return block + f.mac(root.keys.session, block)


class Object:
    """What files and directories share: identity, data key, tags, header."""

    def __init__(self, volume, zone, kind, suite=None, g=None):
        self.volume, self.zone, self.kind, self.suite = volume, zone, kind, suite or volume.suite
        self.id, self.g, self.tags, self.old, self.flags = volume.rand(16), g or zone.active, \
            [], None, 0
        self.key = f.DataKey(volume.rand(32), self.id, 1)
        self.path = None

    def rekey(self):
        """Goes to the next epoch and keeps the last one."""
        self.old = self.key
        self.key = f.DataKey(self.volume.rand(32), self.id, self.old.epoch + 1)

    def put(self, offset, data):
        fd = os.open(self.path, os.O_WRONLY | os.O_CREAT, 0o600)
        os.pwrite(fd, data, offset)
        os.close(fd)

    def put_slot(self, pair, n, block):
        self.put(pair + f.BLOCK * (n & 1), block)

    def length(self, length):
        os.truncate(self.path, length)

    def header(self, n=1, base=0, session=CLEAN, size=0, table=b"", flags=0, group_count=0,
               runs=(), s=0, uses=0, done=0):
        v, old = self.volume, self.old
        block = f.HEADER.pack(
            magic=b"CMKFSOBJ", version=1, suite=self.suite, type=self.kind,
            flags=self.flags | flags | (f.F_REKEY if old else 0), reserved=0, vol_id=v.vol_id,
            zone_id=self.zone.zone_id, object_id=self.id, n=n, base=base, session=session,
            size=size, epoch=self.key.epoch, g=self.g,
            wrap=f.wrap(self.zone.kek(self.g), self.key.dek), old_g=self.g if old else 0,
            old_wrap=f.wrap(self.zone.kek(self.g), old.dek) if old else bytes(40),
            group_count=group_count, s=s, xts_done=done, uses=uses, incompat=0, ro_compat=0,
            tags=len(self.tags), runs=len(runs), reserved2=bytes(36))
        block += b"".join(self.tags).ljust(256, b"\0")
        block += b"".join(f.RUN.pack(first=a, count=b) for a, b in runs).ljust(480, b"\0")
        block += f.ZERO32 + table.ljust(3072, b"\0")
        assert len(block) == f.BLOCK
        return block[:992] + f.header_mac(self.key.header(), block) + block[1024:]

    def set_xattr(self, path, name, value, key=None):
        key = key or self.key
        stored = f.XATTR_PREFIX + f.b64(key.xattr_names().sealed(name))
        sealed = f.seal_text(key.xattr_value(), self.volume.rand(12), value,
                             key.xattr_names().t(name))
        os.setxattr(path, stored, sealed)


class Directory(Object):
    def __init__(self, volume, zone, backing, suite=None, g=None):
        super().__init__(volume, zone, f.T_DIR, suite, g)
        self.backing = backing
        os.mkdir(backing, 0o700)
        self.path = os.path.join(backing, b".D")

    def finish(self, n=1, base=0, session=CLEAN):
        self.put_slot(0, n, self.header(n, base, session))
        self.length(2 * f.BLOCK)

    def entry(self, name, key=None):
        """Backing path for a name; makes the sidecar of a long one."""
        v = self.volume
        if v.plain:
            return os.path.join(self.backing, name)
        stored, sidecar = (key or self.key).names().stored(name, v.padding)
        if sidecar:
            with open(os.path.join(self.backing, b".N" + stored[2:]), "wb") as file:
                file.write(sidecar)
        return os.path.join(self.backing, stored)

    def tag(self, name):
        return self.zone.keys.tag(self.id, name)

    def mkdir(self, name, zone=None, g=None, key=None, rekey=False):
        new = Directory(self.volume, zone or self.zone, self.entry(name, key), g=g)
        new.tags = [self.tag(name)]
        if zone:
            new.flags = f.F_ZONE_ROOT
        if rekey:
            new.rekey()
        new.finish()
        return new

    def file(self, name, suite=None, g=None, key=None, bind=True):
        new = File(self.volume, self.zone, f.T_FILE, suite, g)
        new.tags = [self.tag(name)] if bind else []
        new.path = self.entry(name, key)
        return new

    def symlink(self, name, target, key=None):
        key = key or self.key
        aad = key.names().t(name, self.volume.padding)
        text = f.b64(f.seal_text(key.symlink(), self.volume.rand(12), target, aad))
        os.symlink(text, self.entry(name, key))


class File(Object):
    """A file in one or more versions; chunks are {index: bytes}, those missing are holes."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.sealed, self.slots, self.versions = {}, {}, []

    def seal(self, i, data, key, s):
        g, _ = f.group_of(i)
        if self.sealed.get(i, (None,))[:2] != (data, key.epoch):
            iv = self.volume.rand(12)
            text, tag = f.gcm_seal(key.group(g, s)[:32], iv, data, f.le64(i))
            entry = f.ENTRY_AT.pack(iv=iv, tag=tag, length=len(data))
            self.sealed[i] = (data, key.epoch, entry, text)
        return self.sealed[i][2:]

    def write(self, size, chunks, n=1, base=0, session=CLEAN, tail=None, skip=(), torn=None,
              present=(), no_slot=(), epochs=None, header=True, s=0):
        """Writes a version.  skip: chunks whose bytes never came to the disk; torn: bytes at
        their places instead; no_slot: groups that lack their slot; present: empty groups that
        are present; epochs: {group: key} of groups not yet converted; header: write the header."""
        self.versions.append((size, dict(chunks)))
        torn, epochs = torn or {}, epochs or {}
        groups = {0: {}}
        for g in present:
            groups[g] = {}
        for i, data in chunks.items():
            g, j = f.group_of(i)
            groups.setdefault(g, {})[j] = self.seal(i, data, epochs.get(g, self.key), s)
        for g in sorted(groups)[1:]:
            if g not in no_slot:
                self.group_slot(g, groups[g], session, epochs.get(g, self.key), s)
        last, table, flags = f.chunks_of(size) - 1, b"", 0
        for j in range(f.FIRST_CHUNKS):
            table += groups[0].get(j, (HOLE,))[0]
        fits = last in groups[0] and len(groups[0][last][1]) <= 3072 - f.ENTRY * (last + 1)
        if fits and tail is not False:
            flags, table = f.F_TAIL, table[:f.ENTRY * (last + 1)] + groups[0][last][1]
        assert fits or not tail
        count, runs, at = max(groups) + 1, [], 1
        for g in sorted(groups)[1:]:
            if g > at:
                runs.append((at, g - at))
            at = g + 1
        if header:
            self.put_slot(0, n, self.header(n, base, session, size, table, flags, count, runs, s,
                                            len(groups[0])))
        for i in chunks:
            if i not in skip and not (flags and i == last):
                self.put(f.place(i), torn.get(i, self.sealed[i][3]))
        self.length(f.backing_length(size))

    def group_slot(self, g, entries, session, key, s):
        table = b"".join(entries.get(j, (HOLE,))[0] for j in range(f.GROUP_CHUNKS))
        last, before = self.slots.get(g, (0, None))
        if table == before:
            return
        self.slots[g] = (last + 1, table)
        block = f.GROUP.pack(magic=b"CMKG", group=g, n=last + 1, base=last, session=session,
                             epoch=key.epoch, s=s, uses=len(entries), mac=f.ZERO16) + table
        block = block[:48] + f.group_mac(key.group(g, s), block) + block[64:]
        self.put_slot(f.group_base(g), last + 1, block)

    def write_xts(self, size, chunks, n=1, base=0, session=CLEAN, done=0):
        """chunks from number done on are under the old epoch, if there is one."""
        self.versions.append((size, dict(chunks)))
        self.put_slot(0, n, self.header(n, base, session, size, done=done))
        for i, data in chunks.items():
            key = self.old if self.old and i >= done else self.key
            self.put(f.xts_place(i), f.xts(key.xts(), i, data.ljust(f.CHUNK, b"\0"), True))
        self.length(f.xts_backing_length(size))

    def journal(self, first, count, n=1):
        """The record of a window, as its places are now, beside header n."""
        with open(self.path, "rb") as file:
            file.seek(f.xts_place(first))
            data = file.read(count * f.CHUNK)
        block = f.RECORD.pack(
            magic=b"CMKFSXTJ", version=1, reserved=0, epoch=self.key.epoch,
            vol_id=self.volume.vol_id, zone_id=self.zone.zone_id, object_id=self.id, first=first,
            n=n, count=count).ljust(4064, b"\0")
        self.volume.fixed("cmkfs.journal/" + self.id.hex(),
                          block + f.mac(self.key.header(), block + data) + data)

    def content(self, version=-1):
        size, chunks = self.versions[version]
        return b"".join(chunks.get(i, b"")[:f.CHUNK].ljust(f.CHUNK, b"\0")
                        for i in range(f.chunks_of(size)))[:size]


class Volume:
    """A new volume in a new or empty directory, and what should be read from it."""

    def __init__(self, path, suite=f.GCM, plain=False, padding=16, binding=2, crash=1, vks=None,
                 seed=None):
        self.path = os.fsencode(path)
        self.rand = random.Random(seed).randbytes if seed is not None else os.urandom
        self.suite, self.plain, self.padding = suite, plain, padding
        self.binding, self.crash, self.created = binding, crash, 1700000000
        self.vol_id = self.rand(16)
        self.zones = [Zone(self, vks or [self.rand(32)])]
        self.expected, self.allowed = {}, {}
        with contextlib.suppress(FileExistsError):
            os.mkdir(self.path, 0o700)
        for name in (b"cmkfs.zones", b"cmkfs.journal", b"cmkfs.seals"):
            os.mkdir(os.path.join(self.path, name), 0o700)
        root = self.zones[0]
        self.root = Directory(self, root, os.path.join(self.path, b"tree"))
        self.root.tags = [root.keys.tag(f.ZERO16, b"")]
        self.root.finish(session=INIT_SESSION)
        self.expect(b".", "dir", xattrs={})
        self.fixed("cmkfs.lock", b"")

    def fixed(self, name, data):
        with open(os.path.join(self.path, name.encode()), "wb") as file:
            file.write(data)

    def add_zone(self, vks):
        self.zones.append(Zone(self, vks, self.zones[0]))
        return self.zones[-1]

    def finish(self, seq=4, open_session=0, unclean=()):
        """Writes the fixed files, when all slots are known."""
        for zone in self.zones:
            self.fixed("cmkfs.zones/%s.keys" % zone.zone_id.hex() if zone.parent else
                       "cmkfs.keys", zone.keyring())
        root = self.zones[0]
        self.fixed("cmkfs.volume", volume_block(self, root))
        self.fixed("cmkfs.session", session_block(root, seq, open_session, unclean))

    def expect(self, path, kind, **values):
        self.expected[path] = dict({"path": os.fsdecode(path), "type": kind}, **values)

    def expect_file(self, path, content, history=(), xattrs=None):
        self.expect(path, "file", size=len(content), sha256=hashlib.sha256(content).hexdigest(),
                    xattrs=xattrs or {})
        self.allowed[path] = [content] + list(history)

    def expect_error(self, path, size=None, history=()):
        self.expect(path, "file", **({} if size is None else {"size": size}), error="EIO")
        self.allowed[path] = list(history)

    def manifest(self):
        """The lines of the manifest, in the order of the reader."""
        return [self.expected[path] for path in sorted(
            self.expected, key=lambda path: path.split(b"/") if path != b"." else [])]


def main():
    parser = argparse.ArgumentParser(description="Make a cmkfs volume for tests.")
    parser.add_argument("dir")
    parser.add_argument("--vk-file", metavar="FILE", help="vault key, 32 bytes or hex; else random")
    parser.add_argument("--rsa-public", metavar="FILE", help="PEM; makes a slot of type 1")
    parser.add_argument("--kid", default="local://test/keys/test/1", metavar="URI")
    parser.add_argument("--follow", action="store_true", help="set SLOT_FOLLOW")
    parser.add_argument("--passphrase-file", metavar="FILE", help="makes a slot of type 3")
    parser.add_argument("--cipher", choices=("gcm", "xts"), default="gcm")
    parser.add_argument("--names", choices=("encrypted", "plain"), default="encrypted")
    parser.add_argument("--padding", type=int, choices=(16, 32), default=16)
    parser.add_argument("--session", choices=("clean", "unclean", "open"), default="unclean",
                        help="clean: no sample of a crash; unclean: the crashed session is on "
                        "the list; open: it is still the open one")
    parser.add_argument("--extra", action="append", choices=list(cmkfs_sample.EXTRAS), default=[],
                        help="a second generation, a second zone, objects half-way through re-key")
    parser.add_argument("--seed", type=int, help="make the same volume again")
    parser.add_argument("--save-vks", metavar="FILE", help="write all vault keys, as hex")
    options = parser.parse_args()
    vks, public, text = None, None, None
    if options.vk_file:
        with open(options.vk_file, "rb") as file:
            data = file.read()
        vks = [data if len(data) == 32 else bytes.fromhex(data.decode())]
    if options.rsa_public:
        with open(options.rsa_public, "rb") as file:
            public = serialization.load_pem_public_key(file.read())
    if options.passphrase_file:
        with open(options.passphrase_file, "rb") as file:
            text = file.read().rstrip(b"\n")
    volume = Volume(options.dir, f.GCM if options.cipher == "gcm" else f.XTS,
                    options.names == "plain", options.padding, vks=vks, seed=options.seed)
    cmkfs_sample.make(volume, options.session, options.extra)
    for zone in volume.zones:
        for g in zone.vks:
            if zone.parent and public and text:
                zone.add_all_of(g, public, options.kid, text)
                continue
            if public:
                zone.add_rsa(g, public, options.kid, options.follow)
            if text:
                zone.add_passphrase(g, text)
    if options.save_vks:
        with open(options.save_vks, "w") as file:
            for zone in volume.zones:
                file.writelines(vk.hex() + "\n" for vk in zone.vks.values())
    cmkfs_sample.finish(volume, options.session)
    for line in volume.manifest():
        print(json.dumps(line))
    print("fingerprint " + volume.zones[0].keys.fingerprint.hex(), file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
