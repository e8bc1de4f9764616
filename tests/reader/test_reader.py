#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Tests of the reader and its writing twin: known answers, round trips, tampering.

Run it as it is; it needs python3-cryptography, and a temporary directory on a filesystem with
user.* attributes to test those.
"""
import contextlib
import hashlib
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import types
import unittest

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.kdf.kbkdf import CounterLocation, KBKDFHMAC, Mode

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True

import cmkfs_format as f        # noqa: E402
import cmkfs_keys               # noqa: E402
import cmkfs_read as r          # noqa: E402
import cmkfs_sample             # noqa: E402
import cmkfs_write as w         # noqa: E402
import tamper                   # noqa: E402

MAN = os.path.join(HERE, "..", "..", "man", "cmkfs-format.5")
VECTORS = os.path.join(HERE, "..", "vectors", "format-vectors.json")
EXTRAS = [word for name in cmkfs_sample.EXTRAS for word in ("--extra", name)]
COUNT = {"known answers": 0, "volumes": 0, "tamperings": 0, "random flips": 0, "byte flips": 0}


def seq(first, n):
    return bytes(range(first, first + n))


def iv(n):
    return n.to_bytes(12, "big")


class Queue:
    """Stands in for the random numbers of the writer."""

    def __init__(self, *values):
        self.values = list(values)

    def __call__(self, n):
        value = self.values.pop(0)
        assert len(value) == n
        return value


class KnownAnswers(unittest.TestCase):
    """Every value of format-vectors.json, from the primitives and from both twins."""

    @classmethod
    def setUpClass(cls):
        with open(VECTORS, encoding="utf-8") as file:
            cls.vectors = {v["name"]: v for v in json.load(file)["vectors"]}
        cls.left = set(cls.vectors)
        cls.top = tempfile.mkdtemp(prefix="cmkfs-vectors-")
        cls.addClassCleanup(shutil.rmtree, cls.top)
        cls.v = types.SimpleNamespace(vol_id=seq(0xa0, 16), suite=f.GCM, plain=False, padding=16,
                                      binding=2, crash=1, created=1700000000)
        cls.vk = seq(0, 32)
        cls.v.rand = Queue(seq(0xb0, 16), seq(0x60, 32))
        cls.zone = w.Zone(cls.v, [cls.vk])
        cls.dek = f.DataKey(seq(0x40, 32), seq(0xc0, 16), 1)
        cls.dir_id = seq(0xd0, 16)
        cls.dir = f.DataKey(seq(0x80, 32), cls.dir_id, 1)

    def expect(self, name, value):
        want = self.vectors[name]["output"]
        if isinstance(value, bytes):    # the vectors have names as text, the rest in hex
            value = value.decode() if value.decode("latin-1") == want else value.hex()
        with self.subTest(name):
            self.assertEqual(value, want)
        self.left.discard(name)
        COUNT["known answers"] += 1

    def out(self, name):
        return bytes.fromhex(self.vectors[name]["output"])

    def file(self, *ivs):
        self.v.rand = Queue(seq(0xc0, 16), seq(0x40, 32), *ivs)
        file = w.File(self.v, self.zone, f.T_FILE)
        file.path = os.path.join(self.top, "file")
        with contextlib.suppress(FileNotFoundError):
            os.unlink(file.path)
        return file

    def at(self, file, offset, n=f.BLOCK):
        with open(file.path, "rb") as data:
            data.seek(offset)
            return data.read(n)

    def length(self, name, file):
        self.assertEqual(self.vectors[name]["inputs"]["backing_length"],
                         os.stat(file.path).st_size)

    def test_all(self):
        for part in (self.keys, self.hello, self.groups, self.names, self.fixed, self.geometry):
            part()
        self.assertEqual(self.left, set())

    def keys(self):
        ctx, k = self.zone.ctx(1), self.zone.keys
        for name, purpose in (("key_id", "key-id"), ("KEK", "kek"), ("KZ", "zik")):
            self.expect(name, f.vk_key(self.vk, purpose, ctx))
        for name, value in (("fingerprint", k.fingerprint), ("KM", k.keyring), ("EK", k.endorse),
                            ("BK", k.bind), ("VM", k.volume), ("SM", k.session),
                            ("LM", k.seal)):
            self.expect(name, value)
        d = self.dek
        self.expect("HK", d.header())
        for g, s in ((0, 0), (1, 0), (1, 1)):
            self.expect("GK(%d,%d)" % (g, s), d.group(g, s))
        self.expect("XK", d.xts())
        self.expect("XN", d.derive("xattr-name", 64))
        self.expect("XV", d.xattr_value())
        self.expect("NK", self.dir.derive("names", 64))
        self.expect("SK", self.dir.symlink())
        self.expect("WRAP(DEK)", f.wrap(self.zone.kek(1), d.dek))
        self.expect("WRAP(ZIK)", f.wrap(f.vk_key(self.vk, "zik", ctx), k.zik))
        self.expect("binding tag", k.tag(self.dir_id, b"label.txt"))
        self.expect("root tag", k.tag(f.ZERO16, b""))
        self.expect("chunk AAD", f.le64(5))
        self.expect("XTS chunk", f.xts(d.xts(), 5, bytes(4096), True))
        self.expect("passphrase wrap", f.wrap(
            f.passphrase_key(b"correct horse", seq(0, 16), 600000), self.vk))
        shares = [seq(0x11, 32), seq(0x31, 32)]
        key = f.all_of_key(shares, ctx)
        self.expect("all-of key", key)
        self.expect("all-of slot",
                    w.pack_slot(5, f.S_COMBINER, 2, 1, "", b"", f.wrap(key, self.vk)))

    def hello(self):
        file, text = self.file(iv(1)), b"hello, cmkfs\n"
        file.write(13, {0: text}, session=1)
        block = self.at(file, 4096)
        self.expect("hello header, tail", block)
        self.expect("hello entry", block[1024:1056])
        self.expect("hello ciphertext", block[1056:1069])
        self.length("hello header, tail", file)
        file.write(13, {0: text}, n=2, base=1, session=7)
        self.expect("hello header, second", self.at(file, 0))
        file.tags = [self.zone.keys.tag(self.dir_id, b"label.txt")]
        file.write(13, {0: text}, session=1, tail=False)
        self.expect("hello header, in place", self.at(file, 4096))
        self.assertEqual(self.at(file, 8192), self.out("hello ciphertext"))
        file = self.file()
        file.write(0, {}, session=1)
        self.expect("empty header", self.at(file, 4096))
        self.length("empty header", file)

    def groups(self):
        file, name = self.file(iv(1), iv(2), iv(3)), "two groups, "
        file.write(401508, {0: b"\1" * 4096, 96: b"\2" * 4096, 98: b"\3" * 100}, session=1)
        self.expect(name + "chunk 0", self.at(file, 8192))
        self.expect(name + "chunk 96", self.at(file, 409600))
        self.expect(name + "chunk 98", self.at(file, 417792))
        self.expect(name + "slot", self.at(file, 405504))
        self.expect(name + "slot MAC", self.at(file, 405504 + 48, 16))
        self.expect(name + "header", self.at(file, 4096))
        self.length(name + "header", file)
        zone = types.SimpleNamespace(zone_id=self.zone.zone_id, kek={1: self.zone.kek(1)})
        volume = types.SimpleNamespace(vol_id=self.v.vol_id, unclean=lambda session: False,
                                       zone_below=lambda above, zone_id, is_root: zone)
        with r.Object(volume, file.path, zone, f.T_FILE) as opened:
            self.expect(name + "cc", opened.content_commitment())
            self.assertEqual(b"".join(opened.read()), file.content())
        file = self.file(iv(4))
        file.write(913408, {222: b"x"}, session=1)
        block = self.at(file, 4096)
        self.expect("hole run, header", block)

    def names(self):
        key = self.dir.names()
        for name, text in (('name "label.txt"', b"label.txt"), ('name 16 × "n"', b"n" * 16),
                           ('name 17 × "n"', b"n" * 17), ('name 175 × "y"', b"y" * 175),
                           ('name "größe-名前" in UTF-8', "größe-名前".encode()),
                           ('name 200 × "x"', b"x" * 200)):
            stored, sidecar = key.stored(text)
            self.expect(name, stored)
            self.assertEqual(key.open(sidecar[4:] if sidecar else f.unb64(stored)), text)
        self.expect('sidecar of 200 × "x"', sidecar)
        t = key.t(b"link")
        self.expect("T of link", t)
        self.expect("symlink text", f.b64(f.seal_text(self.dir.symlink(), iv(1),
                                                      b"../label.txt", t)))
        key = self.dek.xattr_names()
        self.expect("xattr name", f.XATTR_PREFIX + f.b64(key.sealed(b"comment")))
        self.expect("xattr value",
                    f.seal_text(self.dek.xattr_value(), iv(1), b"cat", key.t(b"comment")))

    def fixed(self):
        self.expect("volume file", w.volume_block(self.v, self.zone))
        self.expect("session file, clean", w.session_block(self.zone, 2, 0, ()))
        self.expect("session file, open", w.session_block(self.zone, 9, 9, (5, 7)))
        self.v.rand = Queue(self.dir_id, seq(0x80, 32))
        header = w.Object(self.v, self.zone, f.T_DIR)
        header.tags = [self.zone.keys.tag(f.ZERO16, b"")]
        self.expect("directory header", header.header(session=1))
        self.zone.add(1, f.S_PROVIDER_RSA, 1, 0, "local://v/keys/k/1", b"", b"\x55" * 256)
        self.v.rand = Queue(seq(0, 16))
        self.zone.add_passphrase(1, b"correct horse")
        self.expect("keyring", self.zone.keyring())
        self.v.rand = Queue(seq(0xe0, 16), seq(0x20, 32))
        child = w.Zone(self.v, [self.vk], self.zone).keyring()
        self.expect("keyring of a child zone", child)
        self.expect("endorsement", child[80:112])

    def geometry(self):
        for name in [n for n in self.vectors if n.startswith("place ")]:
            self.expect(name, f.place(int(name.split()[1])))
        for name in [n for n in self.vectors if n.startswith("length ")]:
            self.expect(name, f.backing_length(int(name.split()[1])))

    def test_a_volume_of_nothing_but_vectors_is_read(self):
        top = os.path.join(self.top, "volume")
        os.makedirs(os.path.join(top, "tree"))

        def put(name, offset, data):
            with open(os.path.join(top, name), "ab") as file:
                file.truncate(offset)
                file.write(data)
        for name, source in (("volume", "volume file"), ("keys", "keyring"),
                             ("session", "session file, clean")):
            put("cmkfs." + name, 0, self.out(source))
        put("tree/.D", 4096, self.out("directory header"))
        file = "tree/" + self.vectors['name "label.txt"']["output"]
        put(file, 4096, self.out("hello header, in place"))
        put(file, 8192, self.out("hello ciphertext"))
        os.symlink(self.vectors["symlink text"]["output"], os.path.join(
            top, "tree", f.b64(self.dir.names().sealed(b"link")).decode()))
        want = [{"path": ".", "type": "dir", "xattrs": {}},
                {"path": "label.txt", "type": "file", "size": 13, "xattrs": {},
                 "sha256": sha256(b"hello, cmkfs\n")},
                {"path": "link", "type": "symlink", "target": "../label.txt"}]
        with contextlib.suppress(OSError):
            os.setxattr(os.path.join(top, file), self.vectors["xattr name"]["output"],
                        self.out("xattr value"))
            want[1]["xattrs"] = {"user.comment": b"cat".hex()}
        for secrets in (r.Secrets(vks=[self.vk]), r.Secrets(passphrases=[b"correct horse"])):
            self.assertEqual(list(r.Volume(top, secrets).manifest()), want)

    def test_kdf_agrees_with_another_kbkdf(self):
        for n in (16, 32, 64, 100):
            other = KBKDFHMAC(hashes.SHA256(), Mode.CounterMode, n, 4, 4,
                              CounterLocation.BeforeFixed, b"cmkfs1 test", b"context", None)
            self.assertEqual(f.kdf(self.vk, "cmkfs1 test", b"context", n), other.derive(self.vk))

    def test_base64url_is_strict(self):
        self.assertEqual(f.unb64(b"AAAAAAAAAAAAAAAB"), iv(1))
        for text in (b"", b"A", b"AA==", b"AB", b"AAB", b"A+AA", b"A/AA", b"AAAA\n", b" AAAA"):
            with self.subTest(text), self.assertRaises(f.FormatError):
                f.unb64(text)

    def test_names_of_every_length(self):
        for padding in (16, 32):
            for n in range(1, 256):
                name, key = bytes(1 + k % 46 for k in range(n)), self.dir.names()
                stored, sidecar = key.stored(name, padding)
                self.assertLessEqual(len(stored), 255)
                self.assertEqual(sidecar is None, n <= 175)
                self.assertEqual(key.open(sidecar[4:] if sidecar else f.unb64(stored), padding),
                                 name)
        key = self.dek.xattr_names()
        for n in range(1, f.XATTR_MAX + 1):
            sealed = key.sealed(b"a" * n)
            self.assertLessEqual(len(f.XATTR_PREFIX + f.b64(sealed)), 255)
            self.assertEqual(key.open(sealed), b"a" * n)
        self.assertEqual(len(self.dir.names().stored(b"y" * 175)[0]), 255)
        self.assertEqual(len(self.dir.names().stored(b"y" * 16)[0]), 43)

    def test_backing_lengths_are_distinct_and_reversible(self):
        seen = {}
        for n in (0, 1, 2, 95, 96, 97, 221, 222, 223, 347, 348, 349):
            for rest in (-1, 0, 1, 100):
                size = n * 4096 + rest
                if size >= 0:
                    length = f.backing_length(size)
                    self.assertEqual(seen.setdefault(length, size), size)


def sha256(data):
    return hashlib.sha256(data).hexdigest()


class ManPage(unittest.TestCase):
    """cmkfs-format(5) is the contract: its tables and values are those that are tested here."""

    def setUp(self):
        with open(MAN, encoding="ascii") as file:
            self.lines = file.read().splitlines()

    def test_tables_have_the_layouts_of_the_reader(self):
        tables, rows = [], []
        for line in self.lines + [".Bl -column"]:
            row = re.match(r"\.It (\d+) Ta (\d+) Ta ", line)
            if row:
                rows.append((int(row[1]), int(row[2])))
            elif line.startswith(".Bl -column") and rows:
                tables.append(rows)
                rows = []
        layouts = ((f.KEYRING, 128), (f.GENERATION, 96), (f.SLOT, 16), (f.VOLUME, 4096),
                   (f.HEADER, 4096), (f.GROUP, 4096), (f.RECORD, 4096),
                   (f.SESSION, 4096), (f.TOUCHED, 512))
        self.assertEqual(len(tables), len(layouts))
        for (layout, total), table in zip(layouts, tables):
            with self.subTest(layout.tuple.__name__):
                at = 0
                for offset, size in table:
                    self.assertEqual(offset, at)
                    at += size
                self.assertEqual(at, total)
                fields = [(offset, code.size) for offset, code in layout.at.values()]
                self.assertEqual(table[:len(fields)], fields)

    def test_known_answers_are_those_of_the_vectors(self):
        with open(VECTORS, encoding="utf-8") as file:
            text = "".join(v["output"] for v in json.load(file)["vectors"]
                           if isinstance(v["output"], str))
        values = []
        for line in self.lines:
            value = re.search(r"(?:^| )([0-9a-f]{16,})(?:\.\.\.)?$", line)
            if value and line.strip() == value[1] and values:
                values[-1] += value[1]
            elif value:
                values.append(value[1])
        self.assertGreater(len(values), 20)
        for value in values:
            self.assertIn(value, text)


class RoundTrip(unittest.TestCase):
    """The reader reads what the writer wrote, whatever opens the keyring."""

    @classmethod
    def setUpClass(cls):
        cls.top = tempfile.mkdtemp(prefix="cmkfs-round-")
        cls.addClassCleanup(shutil.rmtree, cls.top)
        key = rsa.generate_private_key(65537, 2048)
        cls.paths = {}
        for name, data in (
                ("rsa", key.private_bytes(serialization.Encoding.PEM,
                                          serialization.PrivateFormat.PKCS8,
                                          serialization.NoEncryption())),
                ("public", key.public_key().public_bytes(
                    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)),
                ("passphrase", b"correct horse\n"), ("other", b"battery staple\n")):
            cls.paths[name] = os.path.join(cls.top, name)
            with open(cls.paths[name], "wb") as file:
                file.write(data)

    def run_tool(self, tool, *arguments):
        done = subprocess.run([sys.executable, os.path.join(HERE, tool), *arguments],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
        return done.returncode, done.stdout, done.stderr

    def make(self, name, *arguments):
        self.volume = os.path.join(self.top, name)
        self.vks = self.volume + ".vks"
        status, out, err = self.run_tool("cmkfs_write.py", self.volume, "--save-vks", self.vks,
                                         *arguments)
        self.assertEqual(status, 0, err)
        self.fingerprint = err.decode().split()[-1]
        COUNT["volumes"] += 1
        return out

    def read(self, *arguments):
        return self.run_tool("cmkfs_read.py", self.volume, *arguments)

    def test_every_kind_of_volume(self):
        for cipher in ("gcm", "xts"):
            for names in (("encrypted",), ("encrypted", "--padding", "32"), ("plain",)):
                for session in ("clean", "unclean", "open"):
                    with self.subTest((cipher, names, session)):
                        self.volume = os.path.join(self.top, "each")
                        want = self.make("each", "--cipher", cipher, "--names", *names,
                                         "--session", session, *EXTRAS)
                        status, got, _ = self.read("--vk-file", self.vks, "--manifest")
                        self.assertEqual(got, want)
                        self.assertEqual(status, 1 if cipher == "gcm" else 0)
                        shutil.rmtree(self.volume)

    def test_every_kind_of_slot(self):
        want = self.make("slots", "--rsa-public", self.paths["public"], "--passphrase-file",
                         self.paths["passphrase"], "--follow", *EXTRAS)
        both = ("--rsa-key", self.paths["rsa"], "--passphrase-file", self.paths["passphrase"])
        self.assertEqual(self.read("--manifest", *both)[1], want)
        # one of the two opens the root zone, but not the all-of slots of the other one
        for one in (both[:2], both[2:]):
            lines = [json.loads(s) for s in self.read("--manifest", *one)[1].splitlines()]
            wrong = [got["path"] for got in lines if json.dumps(got) not in want.decode()]
            self.assertEqual(wrong, ["zone"])
        self.assertEqual(self.read("--passphrase-file", self.paths["other"], "--check")[0], 2)
        self.assertEqual(self.read("--check")[0], 2)
        pin = ("--fingerprint", self.fingerprint)
        self.assertEqual(self.read("--ls", *both, *pin)[0], 1)
        self.assertEqual(self.read("--ls", *both, pin[0], "00" * 32)[0], 2)

    def test_shares_alone_open_an_all_of_group(self):
        v = w.Volume(os.path.join(self.top, "shares"))
        shares, zone = [v.rand(32) for _ in range(3)], v.zones[0]
        for share in shares:
            zone.add(1, f.S_PROVIDER_SYM, f.ROLE_SHARE, 2, "kmip://host/1", b"", b"opaque")
        zone.add(1, f.S_COMBINER, 2, 2, "", b"",
                 f.wrap(f.all_of_key(shares, zone.ctx(1)), zone.vks[1]))
        v.finish()
        given = dict(enumerate(shares, 1))
        self.assertEqual(list(r.Volume(v.path, r.Secrets(shares=given)).manifest()), v.manifest())
        given[2] = v.rand(32)
        for some in (given, {1: shares[0], 2: shares[1]}):
            with self.assertRaises(f.FormatError):
                r.Volume(v.path, r.Secrets(shares=some))

    def test_cat_and_extract(self):
        want = self.make("commands")
        secret = ("--vk-file", self.vks)
        self.assertEqual(self.read("--cat", "sizes/hello.txt", *secret)[1], b"hello, cmkfs\n")
        self.assertEqual(self.read("--cat", "sizes/none", *secret)[0], 1)
        self.assertEqual(self.read("--cat", "damaged/stale.bin", *secret)[0], 1)
        out = os.path.join(self.top, "out")
        self.assertEqual(self.read("--extract", out, *secret)[0], 1)
        for line in map(json.loads, want.splitlines()):
            path = os.path.join(out, line["path"])
            if "error" in line:
                self.assertFalse(os.path.exists(path))
            elif line["type"] == "file":
                with open(path, "rb") as file:
                    self.assertEqual(sha256(file.read()), line["sha256"])
            elif line["type"] == "symlink":
                self.assertEqual(os.readlink(path), line["target"])

    def test_the_same_seed_makes_the_same_volume(self):
        trees = []
        for name in ("first", "second"):
            self.make(name, "--seed", "7")
            trees.append({path[len(self.volume):]: data
                          for path, data in tamper.tree(self.volume).items()})
        self.assertEqual(*trees)


class Tampering(unittest.TestCase):
    """Nothing that is changed in the backing directory gives wrong contents."""

    @classmethod
    def setUpClass(cls):
        cls.top = tempfile.mkdtemp(prefix="cmkfs-tamper-")
        cls.addClassCleanup(shutil.rmtree, cls.top)
        cls.v = w.Volume(os.path.join(cls.top, "volume"), seed=3)
        cmkfs_sample.make(cls.v, "unclean", cmkfs_sample.EXTRAS)
        for zone in cls.v.zones:
            zone.add(zone.active, f.S_PROVIDER_SYM, 1, 0, "kmip://host/1", b"\1", b"opaque")
        cmkfs_sample.finish(cls.v, "unclean")
        cls.secrets = r.Secrets(vks=[vk for z in cls.v.zones for vk in z.vks.values()])
        cls.store = tamper.Store(cls.v, cls.secrets)

    def test_table(self):
        for case in tamper.cases(self.store):
            with self.subTest(case.name):
                with self.store.kept():
                    case.act()
                    self.check(case)
                COUNT["tamperings"] += 1
        self.assertEqual(self.store.read(), self.v.manifest(), "the table left something behind")

    def check(self, case):
        if case.wanted == tamper.REFUSED:
            with self.assertRaises(f.FormatError):
                self.store.read()
            return
        got, scope = self.store.look()
        self.assertTrue(got or len(scope) == 1)
        self.assertEqual(self.store.wrong(got), [])
        if case.wanted is not None:
            self.assertEqual(self.store.lost(got, scope), case.wanted)

    def test_random_flips(self):
        rand = random.Random(11)
        names = self.store.objects()
        for _ in range(1500):
            path = names[rand.randrange(len(names))]
            offset, bit = self.store.random_place(path, rand), rand.randrange(8)
            with self.store.kept():
                self.store.flip(path, offset, 1 << bit)
                try:
                    got = self.store.read_around(path)
                except f.FormatError:
                    got = []
                with self.subTest((path, offset, bit)):
                    self.assertEqual(self.store.wrong(got), [])
            COUNT["random flips"] += 1

    def unnoticed(self, path, look, size=None):
        """Offsets whose change goes unnoticed; look() answers whether all is as it was."""
        found = []
        for offset in range(size or os.stat(path).st_size):
            with self.store.kept():
                self.store.flip(path, offset, 0xff)
                if look():
                    found.append(offset)
            COUNT["byte flips"] += 1
        return found

    def test_map_of_unauthenticated_bytes(self):
        """Exactly the last row of section 3.16: the slot that does not count, and holes."""
        volume = r.Volume(self.v.path, self.secrets)
        slot0 = set(range(4096))
        for name, free in ((b"sizes/hello.txt", slot0 | set(range(8192, 8205))),
                           (b"sizes/in-place-13.bin", slot0),
                           (b"sizes/0.bin", slot0),
                           (b"versions/in-place", slot0),
                           (b"versions/tail", slot0 | set(range(8192, 8342))),
                           (b"sizes/tail-5000.bin", slot0 | set(range(12288, 13192)))):
            want = self.v.allowed[name][0]
            node, directory = volume.find(name)

            def look():
                try:
                    with directory.open(node) as file:
                        return b"".join(file.read()) == want
                except r.IntegrityError:
                    return False
            with self.subTest(name):
                self.assertEqual(set(self.unnoticed(node.path, look)), free)
        node, above = volume.find(b"sizes")

        def look():
            try:
                return above.open(node).id is not None
            except r.IntegrityError:
                return False
        self.assertEqual(set(self.unnoticed(os.path.join(node.path, b".D"), look)), slot0)

    def test_every_byte_of_the_fixed_files_is_authenticated(self):
        volume = r.Volume(self.v.path, self.secrets)

        def session():
            try:
                volume.load_session()
                return True
            except f.FormatError:
                return False

        def whole():
            try:
                return bool(r.Volume(self.v.path, self.secrets))
            except f.FormatError:
                return False

        def zone():
            volume.zones = {volume.root_zone.zone_id: volume.root_zone}
            try:
                return bool(volume.zone_below(volume.root_zone, self.v.zones[1].zone_id, True))
            except f.FormatError:
                return False
        child = b"cmkfs.zones/%s.keys" % self.v.zones[1].zone_id.hex().encode()
        for name, look in ((b"cmkfs.session", session), (b"cmkfs.volume", whole),
                           (b"cmkfs.keys", whole), (child, zone)):
            with self.subTest(name):
                self.assertEqual(self.unnoticed(os.path.join(self.v.path, name), look), [])


class Strictness(unittest.TestCase):
    """Authentic but malformed blocks, as only a holder of the keys could make them."""

    @classmethod
    def setUpClass(cls):
        cls.top = tempfile.mkdtemp(prefix="cmkfs-strict-")
        cls.addClassCleanup(shutil.rmtree, cls.top)
        cls.v = w.Volume(os.path.join(cls.top, "volume"), seed=5)
        cls.file = cls.v.root.file(b"file")
        cls.file.write(20480, cmkfs_sample.split(cls.v.rand(20480)))
        cls.v.finish()
        cls.volume = r.Volume(cls.v.path, r.Secrets(vks=cls.v.zones[0].vks.values()))

    def read(self):
        node, directory = self.volume.find(b"file")
        with directory.open(node) as file:
            return b"".join(file.read())

    def test_headers_out_of_bounds(self):
        with open(self.file.path, "rb") as file:
            file.seek(4096)
            good = file.read(4096)
        self.assertEqual(self.read(), self.file.content())
        for name, value in (
                ("version", 2), ("suite", 3), ("type", 2), ("type", 3), ("flags", 16),
                ("flags", f.F_TAIL), ("flags", f.F_REKEY), ("flags", f.F_ZONE_ROOT),
                ("reserved", 1), ("base", 1), ("n", 2), ("size", (1 << 50) + 1), ("epoch", 2),
                ("g", 2), ("old_g", 1), ("group_count", 0), ("s", 1), ("xts_done", 1),
                ("incompat", 1), ("tags", 17), ("tags", 0), ("runs", 61), ("runs", 1),
                ("suite", 2)):
            offset, code = f.HEADER.at[name]
            block = good[:offset] + code.pack(value) + good[offset + code.size:]
            block = block[:992] + f.header_mac(self.file.key.header(), block) + block[1024:]
            self.file.put(4096, block)
            with self.subTest((name, value)), self.assertRaises(r.IntegrityError):
                self.read()
        self.file.put(4096, good)
        self.assertEqual(self.read(), self.file.content())

    def test_only_the_named_base_serves(self):
        file = self.v.root.file(b"base")
        old, new = cmkfs_sample.split(self.v.rand(8192)), cmkfs_sample.split(self.v.rand(8192))
        for base in (1, 3):         # the slot beside the unclean one is of generation 1
            file.write(8192, old, tail=False)
            file.write(8192, new, n=4, base=base, session=4, skip=(0, 1), tail=False)
            node, directory = self.volume.find(b"base")
            self.volume.unclean_list = {4}
            with directory.open(node) as found, self.subTest(base):
                if base == 1:
                    self.assertEqual(b"".join(found.read()), file.content(0))
                else:
                    with self.assertRaises(r.IntegrityError):
                        found.chunk(0)
            self.volume.unclean_list = set()

    def test_kinds_and_zones_hold_without_bindings(self):
        v = w.Volume(os.path.join(self.top, "unbound"), binding=0, seed=8)
        zone = v.add_zone([v.rand(32)])
        below = v.root.mkdir(b"zone", zone=zone)
        for directory in (v.root, below, v.root.mkdir(b"a")):
            directory.file(b"file").write(5, {0: b"12345"})
        v.finish()
        volume = r.Volume(v.path, r.Secrets(vks=[vk for z in v.zones for vk in z.vks.values()]))
        inner, outer = below.entry(b"file"), v.root.entry(b"file")
        a, deep = v.root.entry(b"a"), below.entry(b"a")

        def errors():
            return sorted(line["path"] for line in volume.manifest() if "error" in line)
        self.assertEqual(errors(), [])
        with open(inner, "rb") as file:
            kept = file.read()
        shutil.copyfile(outer, inner)
        self.assertEqual(errors(), ["zone/file"])
        shutil.copyfile(os.path.join(a, b".D"), inner)
        self.assertEqual(errors(), ["zone/file"])
        shutil.copyfile(os.path.join(below.backing, b".D"), inner)
        self.assertEqual(errors(), ["zone/file"])
        with open(inner, "wb") as file:
            file.write(kept)
        shutil.copyfile(inner, outer)
        self.assertEqual(errors(), ["file"])
        shutil.copyfile(os.path.join(a, b".D"), outer)
        self.assertEqual(errors(), ["file"])
        shutil.copytree(a, deep)
        self.assertEqual(errors(), ["file", "zone/a"])
        shutil.rmtree(deep)
        zone.parent = types.SimpleNamespace(zone_id=v.zones[0].zone_id, keys=zone.keys)
        v.finish()                          # a keyring that the parent did not endorse
        volume = r.Volume(v.path, volume.secrets)
        self.assertEqual(errors(), ["file", "zone"])

    def test_xts_protects_the_header_only(self):
        v = w.Volume(os.path.join(self.top, "xts"), suite=f.XTS, seed=9)
        files = [v.root.file(name) for name in (b"a", b"b")]
        for file in files:
            file.write_xts(10000, cmkfs_sample.split(v.rand(10000)))
        v.finish()
        volume = r.Volume(v.path, r.Secrets(vks=v.zones[0].vks.values()))
        one, two = files

        def lines():
            return {line["path"]: line for line in volume.manifest()}
        want = sha256(one.content())
        self.assertEqual(lines()["a"]["sha256"], want)
        for offset in list(range(0, 1024, 7)) + [1024, 4095]:
            self.flip(one.path, 4096 + offset)
            self.assertEqual(lines()["a"].get("error"), "EIO", offset)
            self.flip(one.path, 4096 + offset)
        self.flip(one.path, 8192)           # noise, and nobody sees it
        self.assertNotIn(lines()["a"]["sha256"], (None, want))
        self.flip(one.path, 8192)
        os.rename(one.path, one.path + b"A")
        os.rename(two.path, one.path)
        os.rename(one.path + b"A", two.path)
        self.assertEqual([lines()[name].get("error") for name in ("a", "b")], ["EIO", "EIO"])

    @staticmethod
    def flip(path, offset):
        with open(path, "r+b") as file:
            file.seek(offset)
            byte = file.read(1)[0]
            file.seek(offset)
            file.write(bytes([byte ^ 0x10]))

    def test_keyrings_out_of_bounds(self):
        zone = self.v.zones[0]
        ok = zone.keyring()

        def refuse(what):
            with self.subTest(what), self.assertRaises(f.FormatError):
                cmkfs_keys.Zone(zone.keyring(), self.v.vol_id, zone.zone_id,
                                r.Secrets(vks=zone.vks.values()))
        for what, slot in (
                ("params of two bytes", (1, 1, 1, 0, "", b"\0\0", bytes(256))),
                ("unknown flag", (1, 1, 1, 0, "", b"\2", bytes(256))),
                ("few iterations", (1, 3, 3, 0, "", bytes(20), bytes(40))),
                ("short salt", (1, 3, 3, 0, "", bytes(19), bytes(40))),
                ("long combiner", (1, 5, 2, 1, "", b"", bytes(48))),
                ("combiner of group 0", (1, 5, 2, 0, "", b"", bytes(40))),
                ("share of group 0", (1, 1, 4, 0, "", b"", bytes(256))),
                ("unknown type", (1, 6, 1, 0, "", b"", bytes(40))),
                ("unknown role", (1, 1, 5, 0, "", b"", bytes(256)))):
            zone.slots[1] = [w.pack_slot(*slot)]
            refuse(what)
        good = w.pack_slot(1, 1, 1, 0, "kid", b"\1", bytes(256))
        for what, slots in (("repeated id", [good, good]), ("17 slots", [good] * 17),
                            ("padding of 8", [le_length(good + bytes(8))]),
                            ("padding not zero", [good[:-1] + b"\1"])):
            zone.slots[1] = slots
            refuse(what)
        zone.slots[1] = []
        self.assertEqual(zone.keyring()[:-32], ok[:-32])

    def test_tails_only_where_they_fit(self):
        for size, tail in ((3040, True), (3041, False), (4096 + 3008, True),
                           (4096 + 3009, False), (94 * 4096 + 32, True),
                           (94 * 4096 + 33, False), (95 * 4096 + 1, False)):
            file = self.v.root.file(b"tail %d" % size)
            file.write(size, cmkfs_sample.split(self.v.rand(size)))
            node, directory = self.volume.find(b"tail %d" % size)
            with directory.open(node) as found, self.subTest(size):
                self.assertEqual(bool(found.head.h.flags & f.F_TAIL), tail)
                self.assertEqual(b"".join(found.read()), file.content())


def le_length(slot):
    return f.le32(len(slot)) + slot[4:]


if __name__ == "__main__":
    done = unittest.main(exit=False, verbosity=1)
    print(", ".join("%d %s" % (n, what) for what, n in COUNT.items()))
    sys.exit(not done.result.wasSuccessful())
