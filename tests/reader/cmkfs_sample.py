# SPDX-License-Identifier: Apache-2.0
"""What cmkfs_write.py puts into a volume: every form of object that the format knows."""
import contextlib
import os

import cmkfs_format as f

CRASHED = 5
SIZES = (0, 1, 13, 3040, 3041, 4096, 4097, 20480, 384 << 10, (384 << 10) + 1)
XATTRS = {b"comment": b"cat", b"empty": b"", b"x" * 100: bytes(range(256))}


def split(data):
    return {i: data[i * f.CHUNK:(i + 1) * f.CHUNK] for i in range(f.chunks_of(len(data)))}


def all_contents(file):
    return [file.content(k) for k in range(len(file.versions))]


def write(file, size, chunks, **options):
    """A first version in the suite of the file."""
    if file.suite == f.XTS:
        file.write_xts(size, chunks)
    else:
        file.write(size, chunks, **options)
    return file


def whole(volume, directory, prefix, name, data, **options):
    file = write(directory.file(name), len(data), split(data), **options)
    volume.expect_file(prefix + name, data)
    return file


def sizes(v, root):
    d = root.mkdir(b"sizes")
    v.expect(b"sizes", "dir", xattrs={})
    for size in SIZES:
        whole(v, d, b"sizes/", b"%d.bin" % size, v.rand(size))
    whole(v, d, b"sizes/", b"in-place-13.bin", v.rand(13), tail=False)
    whole(v, d, b"sizes/", b"in-place-5000.bin", v.rand(5000), tail=False)
    whole(v, d, b"sizes/", b"tail-5000.bin", v.rand(5000))
    whole(v, d, b"sizes/", b"hello.txt", b"hello, cmkfs\n")


def sparse(v, root):
    d = root.mkdir(b"sparse")
    v.expect(b"sparse", "dir", xattrs={})

    def put(name, size, lengths, **options):
        file = write(d.file(name), size, {i: v.rand(n) for i, n in lengths.items()}, **options)
        v.expect_file(b"sparse/" + name, file.content())
    g1, g2, g4 = 96, 96 + 126, 96 + 3 * 126
    put(b"three-groups.bin", (g2 + 3) * 4096 - 100,
        {0: 4096, 5: 4096, 95: 4096, g1: 4096, g1 + 2: 300, g2 - 1: 4096, g2 + 2: 3996})
    put(b"hole-run.bin", (g4 + 1) * 4096, {0: 4096, g1 + 7: 4096, g4: 4096})
    put(b"short-inside.bin", 3 * 4096, {0: 4096, 1: 100, 2: 4096})
    put(b"all-hole.bin", 500001, {})
    put(b"hole-at-end.bin", 20000, {0: 4096, 2: 4096})
    if v.suite == f.GCM:
        put(b"empty-group.bin", (g1 + 10) * 4096, {3: 4096}, present=(1,))
        put(b"subkey.bin", (g1 + 2) * 4096, {0: 4096, g1: 4096}, s=7)


def names(v, root):
    d = root.mkdir(b"names")
    v.expect(b"names", "dir", xattrs={})
    for name in (b"l" * 200, b"m" * 176, b"n" * 255, b"y" * 175, b"e" * 16, b"s" * 17,
                 "größe-名前".encode(), b"with space and \"quotes\"", b"not\xffutf8", b"-",
                 b"..."):
        whole(v, d, b"names/", name, b"contents of " + name[:20])
    long_dir = b"directory-" * 20
    sub = d.mkdir(long_dir)
    v.expect(b"names/" + long_dir, "dir", xattrs={})
    whole(v, sub, b"names/" + long_dir + b"/", b"inside", v.rand(100))
    for name, target in ((b"link", b"../sizes/hello.txt"), (b"to-long", b"l" * 200),
                         (b"k" * 180, b"-"), (b"longest", b"t" * f.SYMLINK_MAX)):
        d.symlink(name, target)
        v.expect(b"names/" + name, "symlink", target=os.fsdecode(target))
    if not v.plain:
        # a leftover temporary and an orphaned sidecar are not listed
        write(d.file(b"x"), 0, {})
        os.rename(d.entry(b"x"), os.path.join(d.backing, b".T" + f.b64(v.rand(16))))
        with open(os.path.join(d.backing, b".N" + f.b64(v.rand(32))), "wb") as file:
            file.write(b"CMKN" + v.rand(16 + 192))


def links_and_attributes(v, root):
    d = root.mkdir(b"links")
    v.expect(b"links", "dir", xattrs={})
    data = v.rand(777)
    file = d.file(b"one")
    file.tags += [d.tag(b"two"), root.tag(b"three")]
    write(file, len(data), split(data))
    os.link(file.path, d.entry(b"two"))
    os.link(file.path, root.entry(b"three"))
    for path in (b"links/one", b"links/two", b"three"):
        v.expect_file(path, data)
    file = d.file(b"attributes")
    write(file, len(data), split(data))
    listed = {}
    with contextlib.suppress(OSError):      # not every backing filesystem has user.*
        for name, value in XATTRS.items():
            file.set_xattr(file.path, name, value)
            listed["user." + os.fsdecode(name)] = value.hex()
    v.expect_file(b"links/attributes", data, xattrs=dict(sorted(listed.items())))
    with contextlib.suppress(OSError):
        d.set_xattr(d.backing, b"comment", b"a directory")
        v.expect(b"links", "dir", xattrs={"user.comment": b"a directory".hex()})


def versions(v, root):
    """Overwritten in clean sessions: the newer slot counts."""
    d = root.mkdir(b"versions")
    v.expect(b"versions", "dir", xattrs={})
    for name, tail in ((b"tail", None), (b"in-place", False)):
        texts, file = [v.rand(n) for n in (100, 200, 150)], d.file(name)
        for n, text in enumerate(texts, 1):
            if v.suite == f.XTS:
                file.write_xts(len(text), split(text), n=n, base=n - 1)
            else:
                file.write(len(text), split(text), n=n, base=n - 1, tail=tail)
        v.expect_file(b"versions/" + name, texts[2], texts[:2])


def crashed(v, root):
    """Left by a session that did not end: the newer slot, its base, or zeros."""
    d = root.mkdir(b"crashed")
    v.expect(b"crashed", "dir", xattrs={})
    g1 = f.FIRST_CHUNKS

    def begin(name, size, chunks, **options):
        file = d.file(name)
        file.write(size, chunks, **options)
        return file

    def done(name, file, content):
        v.expect_file(b"crashed/" + name, content, all_contents(file))

    def pages(*which):
        return {i: v.rand(f.CHUNK) for i in which}

    def expect_mix(name, file, size, chunks):
        file.versions.append((size, chunks))
        done(name, file, file.content())

    new = {"n": 2, "base": 1, "session": CRASHED}
    old = pages(0, 1, 2)
    changed = {**old, **pages(1)}
    file = begin(b"good.bin", 3 * 4096, old)
    file.write(3 * 4096, changed, **new)
    done(b"good.bin", file, file.content())

    file = begin(b"base.bin", 3 * 4096, old)            # the bytes of chunk 1 never came
    file.write(3 * 4096, changed, skip=(1,), **new)
    done(b"base.bin", file, file.content(0))

    file = begin(b"torn.bin", 3 * 4096, old)            # half of them came
    file.write(3 * 4096, changed, torn={1: v.rand(2048)}, **new)
    v.expect_error(b"crashed/torn.bin", 3 * 4096, all_contents(file))

    file = begin(b"zeros.bin", 3 * 4096, old, session=CRASHED, skip=(1,))
    expect_mix(b"zeros.bin", file, 3 * 4096, {0: old[0], 2: old[2]})

    file = begin(b"half-zeros.bin", 3 * 4096, old, session=CRASHED, torn={1: v.rand(2048)})
    expect_mix(b"half-zeros.bin", file, 3 * 4096, {0: old[0], 2: old[2]})

    short = v.rand(100)                                 # grown from a tail, bytes lost
    file = begin(b"tail-in-base.bin", 100, {0: short})
    file.write(2 * 4096, pages(0, 1), skip=(0,), tail=False, **new)
    expect_mix(b"tail-in-base.bin", file, 2 * 4096,
               {0: short, 1: file.versions[1][1][1]})

    file = begin(b"torn-slot.bin", 3000, {0: v.rand(3000)})
    file.write(3000, {0: v.rand(3000)}, **new)
    file.put(1024, v.rand(3072))
    done(b"torn-slot.bin", file, file.content(0))

    file = begin(b"group-of-new-file.bin", (g1 + 2) * 4096, pages(0, g1), no_slot=(1,),
                 session=CRASHED)
    expect_mix(b"group-of-new-file.bin", file, (g1 + 2) * 4096, {0: file.versions[0][1][0]})

    first = pages(0)
    file = begin(b"group-not-in-base.bin", 4096, first)
    file.write((g1 + 1) * 4096, {**first, **pages(g1)}, no_slot=(1,), **new)
    expect_mix(b"group-not-in-base.bin", file, (g1 + 1) * 4096, first)

    size, both = (g1 + 2) * 4096, pages(0, g1, g1 + 1)
    file = begin(b"group-base.bin", size, both)         # only a group slot is unclean
    file.write(size, {**both, **pages(g1)}, skip=(g1,), session=CRASHED, header=False)
    done(b"group-base.bin", file, file.content(0))


def damaged(v, root):
    """Written by sessions that ended clean: these are integrity errors."""
    d = root.mkdir(b"damaged")
    v.expect(b"damaged", "dir", xattrs={})
    data = v.rand(3 * 4096)
    file = d.file(b"flipped.bin")
    file.write(len(data), split(data))
    file.put(f.place(1) + 77, bytes([file.sealed[1][3][77] ^ 1]))
    v.expect_error(b"damaged/flipped.bin", len(data), all_contents(file))
    file = d.file(b"stale.bin")
    file.write(len(data), split(data))
    file.write(len(data), split(v.rand(len(data))), n=2, base=1, skip=(0,))
    v.expect_error(b"damaged/stale.bin", len(data), all_contents(file))
    file = d.file(b"no-group-slot.bin")
    file.write(100 * 4096, {96: v.rand(4096)}, no_slot=(1,))
    v.expect_error(b"damaged/no-group-slot.bin", 100 * 4096, all_contents(file))
    file = d.file(b"never-born.bin")
    file.put(0, b"")
    file.length(8192)
    v.expect_error(b"damaged/never-born.bin")
    file = d.file(b"unbound.bin", bind=False)
    file.write(13, {0: v.rand(13)})
    v.expect_error(b"damaged/unbound.bin")


def generation(v, root):
    """A second generation of the vault key; what is there already stays with the first."""
    zone = v.zones[0]
    zone.vks[2] = v.rand(32)
    zone.slots[2], zone.active = [], 2
    file = root.file(b"generation-1", g=1)
    write(file, 5, {0: b"older"})
    v.expect_file(b"generation-1", b"older")
    whole(v, root, b"", b"generation-2", b"newer")


def zone(v, root):
    d = root.mkdir(b"zone", zone=v.add_zone([v.rand(32)]))
    v.expect(b"zone", "dir", xattrs={})
    whole(v, d, b"zone/", b"inside", b"of another zone")
    sub = d.mkdir(b"below")
    v.expect(b"zone/below", "dir", xattrs={})
    whole(v, sub, b"zone/below/", b"inside", v.rand(5000))


def rekey(v, root):
    """Half-way through: some of it of each epoch."""
    d = root.mkdir(b"re-key", rekey=True)
    v.expect(b"re-key", "dir", xattrs={})
    data = v.rand(300)
    for name, key in ((b"renamed", d.key), (b"not yet renamed", d.old)):
        file = d.file(name, key=key)
        write(file, len(data), split(data))
        v.expect_file(b"re-key/" + name, data)
        d.symlink(b"link " + name, b"target", key)
        v.expect(b"re-key/link " + name, "symlink", target="target")
    half_rekeyed(v, d, b"re-key/", b"file")


def half_rekeyed(v, d, where, name):
    file = d.file(name)
    file.rekey()
    if v.suite == f.XTS:
        file.write_xts(5 * 4096, {i: v.rand(4096) for i in range(5)}, done=2)
        file.journal(2, 2)
        file.put(f.xts_place(2), v.rand(4096))  # it was being re-keyed
    else:
        file.write(231 * 4096, {i: v.rand(4096) for i in (0, 1, 96, 230)}, epochs={2: file.old})
    listed = {}
    with contextlib.suppress(OSError):
        file.set_xattr(file.path, b"before", b"1", file.old)
        file.set_xattr(file.path, b"since", b"2")
        listed = {"user.before": "31", "user.since": "32"}
    v.expect_file(where + name, file.content(), xattrs=listed)


def rekey_file(v, root):
    half_rekeyed(v, root, b"", b"half re-keyed")


EXTRAS = {"generation": generation, "zone": zone, "re-key": rekey, "re-key-file": rekey_file}


def make(v, session="unclean", extras=()):
    root = v.root
    for part in (sizes, sparse, names, links_and_attributes, versions):
        part(v, root)
    if v.suite == f.GCM:
        damaged(v, root)
        if session != "clean":
            crashed(v, root)
    for name in extras:
        EXTRAS[name](v, root)


def finish(v, session="unclean"):
    if session == "clean":
        v.finish(seq=4)
    elif session == "open":
        v.finish(seq=5, open_session=CRASHED)
    else:
        v.finish(seq=8, unclean=(CRASHED,))
