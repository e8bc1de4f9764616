# SPDX-License-Identifier: Apache-2.0
"""Header and group slots, for cmkfs_read.py: sections 3.6 and 3.7 of the format, from
cmkfs-format(5) alone."""
import os

import cmkfs_format as f
from cmkfs_format import FormatError
from cmkfs_keys import need


class Slot:
    """What header and group slots share: entries under a data key."""

    def entry(self, j):
        if j >= self.entries:
            return bytes(f.ENTRY)
        return self.block[self.entries_at + f.ENTRY * j:][:f.ENTRY]

    def read(self, i, fd):
        """Plaintext of chunk i, empty if it is a hole, None if it does not verify."""
        _, j = f.group_of(i)
        entry = f.ENTRY_AT.unpack(self.entry(j))
        if entry.length == 0:
            return b"" if not any(self.entry(j)) else None
        if entry.length > f.CHUNK:
            return None
        data = self.tail(i)
        if data is None:
            data = os.pread(fd, entry.length, f.place(i))
        try:
            key = self.key.group(self.group, self.s)[:32]
            return f.gcm_open(key, entry.iv, data[:entry.length], entry.tag, f.le64(i))
        except FormatError:
            return None

    def tail(self, _i):
        return None


class HeaderSlot(Slot):
    """A valid header slot: FormatError if it is not one (3.6)."""

    group, entries_at = 0, 1024

    def __init__(self, block, parity, volume, zone):
        h = f.HEADER.unpack(block)
        need(h.magic == b"CMKFSOBJ" and h.version == 1 and h.vol_id == volume.vol_id, "no header")
        need(h.n & 1 == parity and h.n > 0, "generation in the wrong place")
        self.zone = volume.zone_below(zone, h.zone_id, h.flags & f.F_ZONE_ROOT)
        self.key = self.unwrap(h, h.g, h.wrap, h.epoch)
        need(f.same(f.header_mac(self.key.header(), block), block[992:1024]), "header MAC")
        need(h.incompat == 0, "unknown incompat bits")
        self.h, self.block, self.s = h, block, h.s
        self.n, self.base, self.session, self.size = h.n, h.base, h.session, h.size
        self.chunks = f.chunks_of(h.size)
        self.entries = self.chunks if h.flags & f.F_TAIL else f.FIRST_CHUNKS

    def unwrap(self, h, g, wrapped, epoch):
        need(g in self.zone.kek, "no vault key of generation %d" % g)
        return f.DataKey(f.unwrap(self.zone.kek[g], wrapped), h.object_id, epoch)

    def check(self, expected_type):
        """Bounds of an authentic header; what breaks them makes the object an integrity error."""
        h, b = self.h, self.block
        need(h.type == expected_type, "wrong type of object")
        need(h.suite in (f.GCM, f.XTS) and h.flags < 16 and h.size <= f.MAX_SIZE, "numbers")
        need(not h.reserved and not any(h.reserved2), "reserved bytes")
        need(h.tags <= f.MAX_TAGS and h.runs <= f.MAX_RUNS, "numbers")
        need(not any(b[256 + 16 * h.tags:512]) and not any(b[512 + 8 * h.runs:992]), "reserved")
        need(h.epoch >= 1 and h.base < h.n, "numbers")
        self.keys = {h.epoch: self.key}
        if h.flags & f.F_REKEY:
            need(h.epoch >= 2, "re-key of the first epoch")
            self.keys[h.epoch - 1] = self.unwrap(h, h.old_g, h.old_wrap, h.epoch - 1)
        else:
            need(h.old_g == 0 and not any(h.old_wrap) and h.xts_done == 0, "no re-key")
        gcm_file = h.type == f.T_FILE and h.suite == f.GCM
        need(not h.flags & f.F_ZONE_ROOT or h.type == f.T_DIR, "zone root")
        need(h.type == f.T_FILE or h.size == 0, "size of a directory")
        need((h.group_count >= 1) == gcm_file and (gcm_file or not h.runs), "group count")
        need(h.xts_done == 0 or h.suite == f.XTS and h.xts_done <= self.chunks, "numbers")
        self.check_runs()
        if h.flags & f.F_TAIL:
            n = self.chunks
            need(gcm_file and 1 <= n <= 95, "tail")
            length = f.ENTRY_AT.unpack(self.entry(n - 1)).length
            need(0 < length <= 3072 - f.ENTRY * n, "tail")
            need(not any(b[1024 + f.ENTRY * n + length:]), "tail")
        elif not gcm_file:
            need(not any(b[1024:]) and h.s == 0 and h.uses == 0, "reserved bytes")

    def check_runs(self):
        self.run_list, end = [], 1
        for k in range(self.h.runs):
            run = f.RUN.unpack(self.block, 512 + 8 * k)
            need(run.first >= end and run.count >= 1, "hole runs")
            end = run.first + run.count
            need(end <= self.h.group_count, "hole runs")
            self.run_list.append((run.first, end))

    def present(self, g):
        return g == 0 or (g < self.h.group_count and
                          not any(first <= g < end for first, end in self.run_list))

    def tail(self, i):
        if self.h.flags & f.F_TAIL and i == self.chunks - 1:
            return self.block[1024 + f.ENTRY * self.chunks:]
        return None

    def tags(self):
        return [self.block[256 + 16 * k:272 + 16 * k] for k in range(self.h.tags)]


class GroupSlot(Slot):
    entries_at, entries = 64, f.GROUP_CHUNKS

    def __init__(self, block, parity, g, keys):
        h = f.GROUP.unpack(block)
        need(h.magic == b"CMKG" and h.group == g and h.n & 1 == parity and h.n > 0, "no slot")
        need(h.epoch in keys and h.base < h.n, "slot of an unknown epoch")
        self.key = keys[h.epoch]
        need(f.same(f.group_mac(self.key.group(g, h.s), block), h.mac), "slot MAC")
        self.h, self.block, self.group, self.s = h, block, g, h.s
        self.n, self.base, self.session = h.n, h.base, h.session


def read_pair(fd, offset, make):
    """The slot that counts of a pair, and the other one; either may be None."""
    slots, reasons = [], []
    for parity in (0, 1):
        try:
            slots.append(make(os.pread(fd, f.BLOCK, offset + f.BLOCK * parity), parity))
        except FormatError as error:
            slots.append(None)
            reasons.append(str(error))
    slots.sort(key=lambda slot: slot.n if slot else 0, reverse=True)
    return slots[0], slots[1], "; ".join(reasons)
