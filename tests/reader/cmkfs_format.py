# SPDX-License-Identifier: Apache-2.0
"""Primitives of the cmkfs on-disk format: derivations, structs, names, places.

Shared by cmkfs_read.py and cmkfs_write.py, and written from cmkfs-format(5) alone, so that
together they test the format and not the C program.  Needs Python 3.9 and python3-cryptography.
"""
import base64
import collections
import hashlib
import hmac
import re
import struct

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, keywrap
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

BLOCK = CHUNK = 4096
FIRST_CHUNKS, GROUP_CHUNKS = 96, 126
ENTRY = 32
DATA_START = 2 * BLOCK
GROUPS_START = DATA_START + FIRST_CHUNKS * CHUNK        # 401408
GROUP_BYTES = DATA_START + GROUP_CHUNKS * CHUNK         # 524288
MAX_SIZE = 1 << 50
VOLUME_VERSION = 0x8001                                 # the draft mark
GCM, XTS = 1, 2
T_FILE, T_DIR = 1, 2
F_TAIL, F_REKEY, F_OVERFLOW, F_ZONE_ROOT = 1, 2, 4, 8
K_TAKES = 1
G_ACTIVE, G_UNWRAP_ONLY, G_DESTROYED = 1, 2, 3
S_PROVIDER_RSA, S_PROVIDER_SYM, S_PASSPHRASE, S_OFFLINE_RSA, S_COMBINER = 1, 2, 3, 4, 5
ROLE_SHARE = 4
SLOT_FOLLOW = 1
MAX_TAGS, MAX_RUNS, MAX_UNCLEAN = 16, 60, 502
NAME_SHORT, NAME_MAX, XATTR_MAX, SYMLINK_MAX = 175, 255, 167, 3043
XATTR_PREFIX = b"user.cmkfs."
XATTR_NEW = b"user.cmkfs-new"      # of a session, to settle by
ZERO16, ZERO32 = bytes(16), bytes(32)

RE_TEMP = re.compile(rb"\.T[A-Za-z0-9_-]{22}\Z")
RE_LONG = re.compile(rb"\.L([A-Za-z0-9_-]{43})\Z")
RE_SIDECAR = re.compile(rb"\.N([A-Za-z0-9_-]{43})\Z")


class FormatError(Exception):
    """Bytes that no writer of this format makes, or that do not authenticate."""


class Layout:
    """A packed little-endian struct with named fields."""

    def __init__(self, name, *fields):
        self.struct = struct.Struct("<" + "".join(code for _, code in fields))
        self.tuple = collections.namedtuple(name, [field for field, _ in fields])
        self.size, self.at = 0, {}          # at: {field: (offset, struct)}
        for field, code in fields:
            self.at[field] = self.size, struct.Struct("<" + code)
            self.size += self.at[field][1].size

    def unpack(self, data, offset=0):
        if len(data) < offset + self.size:
            raise FormatError("block too short")
        return self.tuple._make(self.struct.unpack_from(data, offset))

    def pack(self, **values):
        return self.struct.pack(*(values[field] for field in self.tuple._fields))


VOLUME = Layout(
    "Volume", ("magic", "8s"), ("version", "H"), ("reserved", "H"), ("incompat", "I"),
    ("ro_compat", "I"), ("compat", "I"), ("vol_id", "16s"), ("zone_id", "16s"), ("suite", "H"),
    ("name_mode", "B"), ("padding", "B"), ("binding", "B"), ("crash", "B"), ("reserved2", "H"),
    ("created", "Q"), ("seq", "Q"), ("fingerprint", "32s"), ("chunk_size", "I"),
    ("first_chunks", "I"), ("group_chunks", "I"))
SESSION = Layout(
    "Session", ("magic", "8s"), ("version", "H"), ("reserved", "H"), ("count", "I"),
    ("vol_id", "16s"), ("seq", "Q"), ("open", "Q"))
KEYRING = Layout(
    "Keyring", ("magic", "8s"), ("version", "H"), ("flags", "H"), ("length", "I"),
    ("vol_id", "16s"), ("zone_id", "16s"), ("seq", "Q"), ("active", "I"), ("count", "I"),
    ("parent", "16s"), ("endorsement", "32s"), ("written", "Q"), ("reserved", "8s"))
GENERATION = Layout(
    "Generation", ("magic", "4s"), ("length", "I"), ("g", "I"), ("state", "B"), ("slots", "B"),
    ("reserved", "H"), ("created", "Q"), ("key_id", "32s"), ("zik", "40s"))
SLOT = Layout(
    "Slot", ("length", "I"), ("id", "B"), ("type", "B"), ("role", "B"), ("group", "B"),
    ("reserved", "H"), ("kid_len", "H"), ("params_len", "H"), ("blob_len", "H"))
HEADER = Layout(
    "Header", ("magic", "8s"), ("version", "H"), ("suite", "H"), ("type", "B"), ("flags", "B"),
    ("reserved", "H"), ("vol_id", "16s"), ("zone_id", "16s"), ("object_id", "16s"), ("n", "Q"),
    ("base", "Q"), ("session", "Q"), ("size", "Q"), ("epoch", "I"), ("g", "I"), ("wrap", "40s"),
    ("old_g", "I"), ("old_wrap", "40s"), ("group_count", "I"), ("s", "I"), ("xts_done", "I"),
    ("uses", "Q"), ("incompat", "I"), ("ro_compat", "I"), ("tags", "H"), ("runs", "H"),
    ("reserved2", "36s"))
GROUP = Layout(
    "Group", ("magic", "4s"), ("group", "I"), ("n", "Q"), ("base", "Q"), ("session", "Q"),
    ("epoch", "I"), ("s", "I"), ("uses", "Q"), ("mac", "16s"))
RECORD = Layout(
    "Record", ("magic", "8s"), ("version", "H"), ("reserved", "H"), ("epoch", "I"),
    ("vol_id", "16s"), ("zone_id", "16s"), ("object_id", "16s"), ("first", "Q"), ("n", "Q"),
    ("count", "I"))
TOUCHED = Layout(
    "Touched", ("magic", "8s"), ("version", "H"), ("count", "H"), ("index", "I"), ("session", "Q"),
    ("flags", "I"), ("reserved", "I"))
ENTRY_AT = Layout("Entry", ("iv", "12s"), ("tag", "16s"), ("length", "I"))
RUN = Layout("Run", ("first", "I"), ("count", "I"))


def le32(n):
    return n.to_bytes(4, "little")


def le64(n):
    return n.to_bytes(8, "little")


def same(a, b):
    return hmac.compare_digest(a, b)


# ---- primitives of section 3.1

def mac(key, data):
    return hmac.new(key, data, hashlib.sha256).digest()


def kdf(key, label, ctx, n):
    """SP 800-108r1 counter mode, HMAC-SHA-256, 32-bit counter in front."""
    fixed = label.encode() + b"\0" + ctx + (8 * n).to_bytes(4, "big")
    out = b"".join(mac(key, i.to_bytes(4, "big") + fixed) for i in range(1, (n + 31) // 32 + 1))
    return out[:n]


def wrap(kek, key):
    return keywrap.aes_key_wrap(kek, key)


def unwrap(kek, blob):
    try:
        return keywrap.aes_key_unwrap(kek, blob)
    except (keywrap.InvalidUnwrap, ValueError):
        raise FormatError("key unwrap failed") from None


def gcm_seal(key, iv, data, aad):
    """Ciphertext and tag, apart."""
    out = AESGCM(key).encrypt(iv, data, aad)
    return out[:-16], out[-16:]


def gcm_open(key, iv, data, tag, aad):
    try:
        return AESGCM(key).decrypt(iv, data + tag, aad)
    except InvalidTag:
        raise FormatError("GCM tag does not match") from None


def seal_text(key, iv, data, aad):
    """Sealed text: IV, ciphertext, tag."""
    return iv + b"".join(gcm_seal(key, iv, data, aad))


def open_text(key, blob, aad):
    if len(blob) < 28:
        raise FormatError("sealed text too short")
    return gcm_open(key, blob[:12], blob[12:-16], blob[-16:], aad)


def xts(key, index, data, encrypt):
    cipher = Cipher(algorithms.AES(key), modes.XTS(index.to_bytes(16, "little")))
    context = cipher.encryptor() if encrypt else cipher.decryptor()
    return context.update(data) + context.finalize()


def ctr(key, iv, data):
    context = Cipher(algorithms.AES(key), modes.CTR(iv)).encryptor()
    return context.update(data) + context.finalize()


def oaep():
    return padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)


def passphrase_key(passphrase, salt, iterations):
    return hashlib.pbkdf2_hmac("sha256", passphrase, salt, iterations, 32)


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def unb64(text):
    """Strict: no padding, this alphabet only, spare bits zero."""
    if not re.fullmatch(rb"[A-Za-z0-9_-]+", text) or len(text) % 4 == 1:
        raise FormatError("not base64url")
    data = base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4))
    if b64(data) != text:
        raise FormatError("base64url with spare bits set")
    return data


# ---- derived keys of section 3.3

class ZoneKeys:
    """What follows from the zone identity key."""

    def __init__(self, zik, vol_id, zone_id):
        ctx = vol_id + zone_id

        def derive(purpose):
            return kdf(zik, "cmkfs1 " + purpose, ctx, 32)
        self.zik = zik
        self.fingerprint = derive("fingerprint")
        self.keyring, self.endorse, self.bind = map(derive, ("keyring", "endorse", "bind"))
        self.volume, self.session, self.seal = map(derive, ("volume", "session", "seal"))

    def tag(self, directory_id, name):
        return mac(self.bind, directory_id + b"\1" + name)[:16]


def zone_ctx(vol_id, zone_id, g):
    return vol_id + zone_id + le32(g)


def vk_key(vk, purpose, ctx):
    """purpose: key-id, kek or zik; ctx from zone_ctx()."""
    return kdf(vk, "cmkfs1 " + purpose, ctx, 32)


def all_of_key(shares, ctx):
    return kdf(b"".join(shares), "cmkfs1 all-of", ctx + le32(len(shares)), 32)


class DataKey:
    """A DEK with its object and epoch, and what follows from them."""

    def __init__(self, dek, object_id, epoch):
        self.dek, self.epoch = dek, epoch
        self.ctx = object_id + le32(epoch)
        self.cache = {}

    def derive(self, purpose, n, more=b""):
        at = (purpose, more)
        if at not in self.cache:
            self.cache[at] = kdf(self.dek, "cmkfs1 " + purpose, self.ctx + more, n)
        return self.cache[at]

    def header(self):
        return self.derive("header", 32)

    def group(self, g, s):
        return self.derive("group", 64, le32(g) + le32(s))

    def xts(self):
        return self.derive("xts", 64)

    def names(self):
        return NameKey(self.derive("names", 64), NAME_SHORT)

    def symlink(self):
        return self.derive("symlink", 32)

    def xattr_names(self):
        return NameKey(self.derive("xattr-name", 64), XATTR_MAX, is_path=False)

    def xattr_value(self):
        return self.derive("xattr-value", 32)


# ---- names of section 3.10

class NameKey:
    """NK or XN: first half MAC, second half CTR; cap = longest name that is stored short."""

    def __init__(self, key, cap, is_path=True):
        self.mac_key, self.ctr_key, self.cap, self.is_path = key[:32], key[32:], cap, is_path

    def pad(self, name, padding=16):
        if len(name) > self.cap:
            return name + bytes(-len(name) % 16)
        return name + bytes(min(len(name) + -len(name) % padding, self.cap) - len(name))

    def t(self, name, padding=16):
        return mac(self.mac_key, self.pad(name, padding))

    def sealed(self, name, padding=16):
        """I and C."""
        i = self.t(name, padding)[:16]
        return i + ctr(self.ctr_key, i, self.pad(name, padding))

    def stored(self, name, padding=16):
        """The stored name, and the contents of the sidecar of a long one (else None)."""
        if len(name) <= self.cap:
            return b64(self.sealed(name, padding)), None
        return b".L" + b64(self.t(name, padding)), b"CMKN" + self.sealed(name, padding)

    def open(self, sealed, padding=16):
        if not 16 < len(sealed) <= 16 + 256:
            raise FormatError("name of a wrong length")
        name = ctr(self.ctr_key, sealed[:16], sealed[16:]).rstrip(b"\0")
        if not name or b"\0" in name:
            raise FormatError("forbidden name")
        if self.is_path and (name in (b".", b"..") or b"/" in name):
            raise FormatError("forbidden name")
        if not same(self.sealed(name, padding), sealed):
            raise FormatError("name does not authenticate")
        return name


# ---- places of section 3.7

def chunks_of(size):
    return (size + CHUNK - 1) // CHUNK


def group_of(i):
    """Group of a chunk, and the number of its entry there."""
    if i < FIRST_CHUNKS:
        return 0, i
    return 1 + (i - FIRST_CHUNKS) // GROUP_CHUNKS, (i - FIRST_CHUNKS) % GROUP_CHUNKS


def group_base(g):
    return GROUPS_START + (g - 1) * GROUP_BYTES


def place(i):
    g, j = group_of(i)
    return (group_base(g) if g else 0) + DATA_START + CHUNK * j


def backing_length(size):
    n = chunks_of(size)
    return place(n - 1) + size - CHUNK * (n - 1) if size else DATA_START


def xts_place(i):
    return DATA_START + CHUNK * i


def xts_backing_length(size):
    return DATA_START + CHUNK * chunks_of(size) + size % CHUNK


def header_mac(key, block):
    return mac(key, block[:992] + ZERO32 + block[1024:])


def group_mac(key, block):
    """key is the whole GK(g,s)."""
    return mac(key[32:], block[:48] + ZERO16 + block[64:])[:16]
