#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What can still be had of data keys, by somebody who holds every key there is.

  erased.py keys STORE PEM                the data key of every object: {object_id: {dek, wrapped}}
  erased.py left STORE PEM KEYS           those of KEYS that STORE still gives, whatever block they
                                          lie in: each 40 bytes of each file are tried
  erased.py memory PID KEYS               those of KEYS that are in the writable memory of a process
  erased.py zone STORE PEM                the keys of the zones, in the form of KEYS
  erased.py raw IMAGE KEYS                those of KEYS whose wrapped form is in IMAGE, a disk
  erased.py signed CERTIFICATE            check the signature as cmkfs-security(7) says
"""
import json
import os
import stat
import sys

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "reader"))
import cmkfs_format as f
from cmkfs_keys import Secrets, parse_keyring


BLOCK = 4096


def contents(store):
    for where, _, names in os.walk(store):
        for name in names:
            path = os.path.join(where, name)
            if stat.S_ISREG(os.lstat(path).st_mode):
                with open(path, "rb") as file:
                    yield file.read()


def keks(store, pem):
    """Every key-encryption key that any keyring of the store gives with this private key."""
    with open(pem, "rb") as file:
        secrets = Secrets(rsa_keys=[load_pem_private_key(file.read(), None)])
    found = []
    rings = [os.path.join(store, "cmkfs.keys")]
    zones = os.path.join(store, "cmkfs.zones")
    rings += [os.path.join(zones, n) for n in os.listdir(zones)] if os.path.isdir(zones) else []
    for ring in filter(os.path.exists, rings):
        with open(ring, "rb") as file:
            head, generations = parse_keyring(file.read())
        for gen, slots in generations:
            ctx = f.zone_ctx(head.vol_id, head.zone_id, gen.g)
            found += [f.vk_key(vk, "kek", ctx) for vk in secrets.vault_keys(slots, ctx)]
    return found


def unwrap(kek, blob):
    try:
        return f.unwrap(kek, blob)
    except f.FormatError:
        return None


def zone(store, pem):
    with open(pem, "rb") as file:
        secrets = Secrets(rsa_keys=[load_pem_private_key(file.read(), None)])
    with open(os.path.join(store, "cmkfs.keys"), "rb") as file:
        head, generations = parse_keyring(file.read())
    found = {}
    for gen, slots in generations:
        ctx = f.zone_ctx(head.vol_id, head.zone_id, gen.g)
        for vk in secrets.vault_keys(slots, ctx):
            zik = f.unwrap(f.vk_key(vk, "zik", ctx), gen.zik)
            for name, key in (("vk", vk), ("kek", f.vk_key(vk, "kek", ctx)), ("zik", zik)):
                found["%s %d" % (name, gen.g)] = {"dek": key.hex()}
    return found


def memory(pid, before):
    found = set()
    with open("/proc/%s/maps" % pid, encoding="utf-8") as maps, \
            open("/proc/%s/mem" % pid, "rb", 0) as mem:
        for line in maps:
            where, mode = line.split()[:2]
            begin, end = (int(n, 16) for n in where.split("-"))
            for at in range(begin, end if "w" in mode and "r" in mode else begin, 1 << 24):
                try:
                    mem.seek(at)
                    data = mem.read(min(end - at, (1 << 24) + 64))
                except OSError:
                    continue
                # Most of it was never used; a key may lie across two blocks.
                used = b"".join(data[i:i + BLOCK + 31] + b"|" for i in range(0, len(data), BLOCK)
                                if data[i:i + BLOCK + 31].strip(b"\0"))
                found |= {n for n, k in before.items() if bytes.fromhex(k["dek"]) in used}
    return sorted(found)


def keys(store, pem):
    found, known = {}, keks(store, pem)
    for data in contents(os.path.join(store, "tree")):
        for at in (0, 4096):
            if data[at:at + 8] != b"CMKFSOBJ":
                continue
            head = f.HEADER.unpack(data, at)
            for dek in filter(None, (unwrap(kek, head.wrap) for kek in known)):
                found[head.object_id.hex()] = {"dek": dek.hex(), "wrapped": head.wrap.hex()}
    return found


def left(store, pem, before):
    known, gone = keks(store, pem), {k["dek"]: name for name, k in before.items()}
    found = set()
    for data in contents(store):
        for at in range(0, len(data) - 39, 8):
            blob = data[at:at + 40]
            if not any(blob[:8]) or not any(blob[32:]):
                continue
            for dek in filter(None, (unwrap(kek, blob) for kek in known)):
                found.add(gone.get(dek.hex()))
    return sorted(found - {None})


def raw(image, before):
    with open(image, "rb") as file:
        data = file.read()
    return sorted(name for name, k in before.items() if bytes.fromhex(k["wrapped"]) in data)


def signed(path):
    with open(path, encoding="utf-8") as file:
        doc = json.load(file)
    text = json.dumps(doc["statement"], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(doc["public_key"]))
    try:
        public.verify(bytes.fromhex(doc["signature"]),
                      b"cmkfs erasure certificate\n" + text.encode())
    except InvalidSignature:
        return False
    return True


def load(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def main():
    what, args = sys.argv[1], sys.argv[2:]
    if what == "keys":
        print(json.dumps(keys(*args)))
    elif what == "left":
        print(*left(args[0], args[1], load(args[2])), sep="\n")
    elif what == "raw":
        print(*raw(args[0], load(args[1])), sep="\n")
    elif what == "zone":
        print(json.dumps(zone(*args)))
    elif what == "memory":
        print(*memory(args[0], load(args[1])), sep="\n")
    elif what == "signed":
        return 0 if signed(args[0]) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
