# SPDX-License-Identifier: Apache-2.0
"""Faults of a key server under a mount: provider_faults_mount.py TLS PROVIDER...

A wrong key never opens a volume and never writes; a server that is silent, gone
or not itself leaves reads, writes, fsync and unmounting alone; after an outage a
thousand opens ask it no more than its lease does.  Nothing secret is in what the
daemon says at its most talkative.
"""
import errno
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time

import provider_faults as rows
from provider_faults import f, fault_services

FILES = 1000
LIMIT = 15  # seconds: the deadline of a call, and what a busy machine takes longer


class Failed(Exception):
    pass


def must(what, truth):
    if not truth:
        raise Failed(what)


def result(fn, *arguments):
    """"ok", or the name of the error."""
    try:
        fn(*arguments)
        return "ok"
    except OSError as e:
        return errno.errorcode.get(e.errno, str(e.errno))


def in_time(what, fn, *arguments):
    begin = time.monotonic()
    fn(*arguments)
    seconds = time.monotonic() - begin
    must(f"{what} took {seconds:.1f} s", seconds < LIMIT)
    return seconds


def write(path, data):
    with open(path, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def digest(top):
    """Of all that is stored."""
    h = hashlib.sha256()
    for path, names, files in os.walk(top):
        names.sort()
        for name in sorted(set(files) - {"cmkfs.lock"}):
            with open(os.path.join(path, name), "rb") as file:
                h.update(f"{path}/{name}\0".encode() + file.read())
    return h.hexdigest()


class Mount:
    """A volume under a key of the fault server."""

    def __init__(self, d, name, tls):
        self.d, self.vol, self.mnt = d, os.path.join(d, "vol"), os.path.join(d, "mnt")
        self.service = fault_services.SERVICES[name]()
        self.server = f.FaultServer(tls, self.service)
        self.env = rows.configure(d, self.service, self.server.port, tls)
        self.daemon = None
        self.data = os.urandom(200000)
        os.mkdir(self.mnt)
        self.run("init", self.vol, "--key", self.service.uri(self.server.port))

    def run(self, *arguments, ok=(0,)):
        p = subprocess.run(["cmkfs", *arguments], env=self.env, stdin=subprocess.DEVNULL,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
        said = p.stdout.decode(errors="replace")
        with open(os.path.join(self.d, "said"), "a") as file:
            file.write(said)
        must(f"cmkfs {arguments[0]}: exit {p.returncode}: {said}", p.returncode in ok)
        return said

    def mounted(self):
        return os.path.ismount(self.mnt)

    def mount(self, options):
        log = open(os.path.join(self.d, "log"), "ab")
        self.daemon = subprocess.Popen(["cmkfs", "mount", "-d", "-o", options, self.vol, self.mnt],
                                       env=self.env, stdin=subprocess.DEVNULL, stdout=log,
                                       stderr=log)
        self.until("mounting", self.mounted)

    def unmount(self):
        in_time("unmounting", self.run, "umount", self.mnt)
        must("the daemon ended badly", self.daemon.wait(30) == 0)
        self.daemon = None

    def until(self, what, fn):
        end = time.monotonic() + LIMIT
        while not fn():
            must(f"{what}: in vain", time.monotonic() < end)
            must(f"{what}: the daemon ended", not self.daemon or self.daemon.poll() is None)
            time.sleep(0.02)

    def until_list(self, word):
        self.until(f"listing gives {word}", lambda: result(os.listdir, self.mnt) == word)

    def status(self):
        return json.loads(self.run("status", "--json", self.mnt))

    def until_grace(self):
        self.until("grace", lambda: "grace" in json.dumps(self.status()))

    def until_confirmed(self):
        self.until("the end of the grace", lambda: '"grace"' not in json.dumps(self.status()))

    def whole(self):
        with open(os.path.join(self.mnt, "file"), "rb") as file:
            must("other bytes", file.read() == self.data)

    def end(self):
        if self.mounted():
            subprocess.run(["umount", "-l", self.mnt], check=False)
        if self.daemon:
            self.daemon.kill()
            self.daemon.wait()
        self.server.close()


WRONG = (bytes(32), bytes(range(32)))


def wrong_key_does_not_mount(m):
    before = digest(m.vol)
    for secret in WRONG:
        m.server.set(f.wrong_key(secret), "unwrap")
        m.run("mount", m.vol, m.mnt, ok=(4,))
        must("mounted under a wrong key", not m.mounted())
    must("something was written under a wrong key", digest(m.vol) == before)
    m.server.set(None)


def wrong_key_locks(m):
    for secret in WRONG:
        m.server.set(f.wrong_key(secret), "unwrap")
        m.until_list("EKEYREVOKED")
        must("written under a wrong key", result(write, m.mnt + "/no", b"x") == "EKEYREVOKED")
        m.server.set(None)
        m.until_list("ok")
        m.whole()


def key_of_wrong_length_is_no_answer(m):
    m.server.set(f.wrong_key(b"k" * 16), "unwrap")
    m.until_grace()
    m.whole()
    m.server.set(None)
    m.until_confirmed()


def silence_stops_no_data(m):
    m.server.set(f.quiet)
    m.until_grace()
    in_time("reading", m.whole)
    in_time("writing", write, m.mnt + "/beside", m.data)
    m.unmount()
    m.server.set(None)
    m.mount("lease=1s,grace=1h")
    m.whole()


def server_that_is_not_itself_is_not_believed(m):
    m.server.certificate = "wrong-ca"
    m.server.set(f.times(1, f.hang_up))
    m.until_grace()
    m.until("word of the certificate", lambda: "not who it should be" in json.dumps(m.status()))
    m.whole()
    m.server.certificate = "server"
    m.until_confirmed()


def many_opens_after_an_outage(m):
    for i in range(FILES):
        write(f"{m.mnt}/{i}", b"%d" % i)
    m.unmount()
    m.mount("lease=3s,grace=0")  # without a grace a starved renewal is an outage of its own
    m.server.refuse()
    m.until_list("ENOKEY")
    m.server.set(None)
    m.server.listen_again()
    m.until_list("ok")
    begin = time.monotonic()
    for i in range(FILES):
        with open(f"{m.mnt}/{i}", "rb") as file:
            must("other bytes", file.read() == b"%d" % i)
    seconds, calls = time.monotonic() - begin, m.server.count("unwrap")
    print(f"{m.service.name}: {FILES} opens after an outage: {calls} unwraps in {seconds:.1f} s")
    # The one that unlocked it, and what the lease asks meanwhile.
    must(f"{calls} unwraps", 1 <= calls <= 3 + 2 * seconds)


def all_is_well_at_the_end(m):
    m.whole()
    m.unmount()
    m.run("verify", m.vol)
    m.run("audit", "verify", m.vol)
    leaks = rows.leaked(m.d, "", m.service.secrets)
    must(f"a secret is in {leaks}", not leaks)


def try_provider(name, tls):
    with tempfile.TemporaryDirectory(prefix="mount-", dir=os.getcwd()) as d:
        m = Mount(d, name, tls)
        try:
            wrong_key_does_not_mount(m)
            m.mount("lease=1s,grace=1h")
            write(m.mnt + "/file", m.data)
            for step in (wrong_key_locks, key_of_wrong_length_is_no_answer, silence_stops_no_data,
                         server_that_is_not_itself_is_not_believed, many_opens_after_an_outage,
                         all_is_well_at_the_end):
                try:
                    step(m)
                except Failed as e:
                    sys.exit(f"{name}: {step.__name__}: {e}")
        finally:
            m.end()


def main():
    for name in sys.argv[2:]:
        try_provider(name, sys.argv[1])
        print(f"{name}: well under a mount")


main()
