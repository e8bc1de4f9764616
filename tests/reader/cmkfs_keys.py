# SPDX-License-Identifier: Apache-2.0
"""Opening keyrings, for cmkfs_read.py: section 3.4 of the format, from cmkfs-format(5) alone."""
import cmkfs_format as f
from cmkfs_format import FormatError


def need(condition, what):
    if not condition:
        raise FormatError(what)


class Secrets:
    """What the caller holds; unwraps slots of a keyring."""

    def __init__(self, vks=(), rsa_keys=(), passphrases=(), shares=None):
        self.vks, self.rsa_keys, self.passphrases = list(vks), list(rsa_keys), list(passphrases)
        self.shares = dict(shares or {})

    def plain(self, slot):
        """The candidates for what a slot of type 1 to 4 holds."""
        if slot["type"] in (f.S_PROVIDER_RSA, f.S_OFFLINE_RSA):
            for key in self.rsa_keys:
                try:
                    yield key.decrypt(slot["blob"], f.oaep())
                except ValueError:
                    pass
        elif slot["type"] == f.S_PASSPHRASE:
            salt, count = slot["params"][:16], int.from_bytes(slot["params"][16:], "little")
            for text in self.passphrases:
                try:
                    yield f.unwrap(f.passphrase_key(text, salt, count), slot["blob"])
                except FormatError:
                    pass

    def combined(self, slots, group, ctx, blob):
        """VK of an all-of group, or nothing."""
        shares = []
        for slot in sorted((s for s in slots if s["role"] == f.ROLE_SHARE
                            and s["group"] == group), key=lambda s: s["id"]):
            found = [self.shares.get(slot["id"])] + list(self.plain(slot))
            shares.append(next((s for s in found if s is not None and len(s) == 32), None))
        if len(shares) >= 2 and None not in shares:
            try:
                yield f.unwrap(f.all_of_key(shares, ctx), blob)
            except FormatError:
                pass

    def vault_keys(self, slots, ctx):
        yield from self.vks
        for slot in slots:
            if slot["type"] == f.S_COMBINER:
                yield from self.combined(slots, slot["group"], ctx, slot["blob"])
            elif slot["group"] == 0 and slot["role"] != f.ROLE_SHARE:
                yield from self.plain(slot)


def parse_slot(data, offset, end):
    head = f.SLOT.unpack(data, offset)
    fill = offset + f.SLOT.size + head.kid_len + head.params_len + head.blob_len
    need(head.length % 8 == 0 and fill <= offset + head.length <= end and
         offset + head.length - fill < 8, "slot length")
    need(not any(data[fill:offset + head.length]) and head.reserved == 0, "slot reserved bytes")
    at = offset + f.SLOT.size
    parts = []
    for length in (head.kid_len, head.params_len, head.blob_len):
        parts.append(data[at:at + length])
        at += length
    kid, params, blob = parts
    try:
        kid.decode("utf-8")
    except UnicodeDecodeError:
        raise FormatError("key URI is not UTF-8") from None
    need(1 <= head.type <= 5 and 1 <= head.role <= 4, "slot type")
    if head.type in (f.S_PROVIDER_RSA, f.S_PROVIDER_SYM):
        need(len(params) <= 1 and not any(b & ~f.SLOT_FOLLOW for b in params), "slot flags")
    elif head.type == f.S_PASSPHRASE:
        need(len(params) == 20, "passphrase params")
        need(int.from_bytes(params[16:], "little") >= 600000, "too few iterations")
    else:
        need(not params, "slot params")
    if head.type in (f.S_PASSPHRASE, f.S_COMBINER):
        need(len(blob) == 40, "slot blob")
    need((head.group == 0) == (head.type != f.S_COMBINER and head.role != f.ROLE_SHARE),
         "slot group")
    return {"id": head.id, "type": head.type, "role": head.role, "group": head.group,
            "kid": kid, "params": params, "blob": blob}, offset + head.length


def parse_keyring(data):
    """The header, and the generations with their slots; nothing is authenticated here."""
    head = f.KEYRING.unpack(data)
    need(head.magic == b"CMKFSKEY" and head.version == 1, "not a keyring")
    need(head.length == len(data) <= 1 << 20, "keyring length")
    need(head.flags in (0, f.K_TAKES) and (any(head.parent) or not head.flags), "keyring flags")
    need(not any(head.reserved) and 1 <= head.count <= 64, "keyring header")
    generations, at, end = [], f.KEYRING.size, len(data) - 32
    for _ in range(head.count):
        gen = f.GENERATION.unpack(data, at)
        need(gen.magic == b"GEN1" and gen.reserved == 0 and 1 <= gen.state <= 3, "generation")
        need(gen.slots <= 16 and f.GENERATION.size <= gen.length <= end - at, "generation length")
        need(gen.g >= 1 and (not generations or gen.g < generations[-1][0].g), "generation order")
        need((gen.state == f.G_ACTIVE) == (gen.g == head.active), "active generation")
        slots, where = [], at + f.GENERATION.size
        for _ in range(gen.slots):
            slot, where = parse_slot(data, where, at + gen.length)
            slots.append(slot)
        need(where == at + gen.length, "generation length")
        need(len({s["id"] for s in slots}) == len(slots), "slot ids repeat")
        if gen.state == f.G_DESTROYED:
            need(not slots and not any(gen.zik), "destroyed generation")
        generations.append((gen, slots))
        at += gen.length
    need(at == end, "keyring length")
    need(head.active in [gen.g for gen, _ in generations], "active generation")
    return head, generations


class Zone:
    """An opened keyring: the keys of a zone."""

    def __init__(self, data, vol_id, zone_id, secrets):
        head, generations = parse_keyring(data)
        need(head.vol_id == vol_id and head.zone_id == zone_id, "keyring of something else")
        self.vol_id, self.zone_id, self.parent = vol_id, zone_id, head.parent
        self.head, self.generations, self.kek, self.keys = head, generations, {}, None
        self.takes = head.flags & f.K_TAKES and any(
            gen.g == 1 and gen.state != f.G_DESTROYED for gen, _ in generations)
        for gen, slots in generations:
            if gen.state != f.G_DESTROYED:
                self.open_generation(gen, slots, secrets)
        need(self.keys, "no key opens the keyring of zone " + zone_id.hex())
        need(f.same(f.mac(self.keys.keyring, data[:-32]), data[-32:]), "keyring MAC")

    def open_generation(self, gen, slots, secrets):
        ctx = f.zone_ctx(self.vol_id, self.zone_id, gen.g)
        for vk in secrets.vault_keys(slots, ctx):
            if len(vk) == 32 and f.same(f.vk_key(vk, "key-id", ctx), gen.key_id):
                zik = f.unwrap(f.vk_key(vk, "zik", ctx), gen.zik)
                need(self.keys is None or f.same(self.keys.zik, zik), "two zone identity keys")
                self.keys = self.keys or f.ZoneKeys(zik, self.vol_id, self.zone_id)
                self.kek[gen.g] = f.vk_key(vk, "kek", ctx)
                return
