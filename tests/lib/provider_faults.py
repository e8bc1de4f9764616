# SPDX-License-Identifier: Apache-2.0
"""Every wrong answer that a key server can give, given to every provider that
asks over the network: provider_faults.py DIR TLS [--long] [--only TEXT] PROVIDER...

A row is a fault, the operations that it is put in the place of, and what
`cmkfs key test` must make of it: the error, a pattern in what it says, how many
calls it may make, how much it may read.  Of every row: no crash, no hang, no
memory beyond the cap, none of the service's secrets in what it says or leaves
behind.  The short form gives each row once, the long one to every provider in the
place of every operation.  Prints a line for each row that does otherwise.
"""
import argparse
import concurrent.futures
import multiprocessing
import os
import re
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../servers"))
import fault as f
import fault_services
from provider_fault_row import OK, Row
from provider_fault_rows import FAKETIME, rows

# What cmkfs-providers(7) promises of a call.
DEADLINE = 10     # seconds of one operation
LATE = 3          # what a busy machine takes longer
SLACK = 8 << 20   # of a stream: what the kernel holds of it on top of the cap
MEMORY = 16 << 20 # that a fault may cost

# Exit codes of cmkfs(1), by the error of the step that fails.
EXITS = {OK: 0, "EAGAIN": 5, "EPROTO": 5}
REFUSED = 4

# ---- running ---------------------------------------------------------------------

def configure(d, service, port, tls):
    home = os.path.join(d, "home")
    os.makedirs(os.path.join(d, "state"), mode=0o700)
    os.makedirs(home)
    with open(os.path.join(d, "cmkfs.conf"), "w") as conf:
        conf.write(service.config(port, tls, home))
    os.chmod(conf.name, 0o600)
    env = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "VAULT_", "AZURE_"))}
    env.update(HOME=home, CMKFS_STATE_DIR=os.path.join(d, "state"), CMKFS_CONFIG=conf.name)
    # What others take for leave not to look, or to write session keys down.
    env.update(VAULT_SKIP_VERIFY="true", PYTHONHTTPSVERIFY="0", NODE_TLS_REJECT_UNAUTHORIZED="0",
               CURL_CA_BUNDLE=f"{tls}/other.pem", SSL_CERT_FILE=f"{tls}/other.pem",
               SSLKEYLOGFILE=os.path.join(d, "session-keys"))
    return env


NEVER_MET = "the fault was never met"


class Stalls:
    """For how many seconds this machine let nobody run, which nothing that ran is to blame for."""

    def __init__(self):
        self.seconds, self.ended = 0, threading.Event()
        self.thread = threading.Thread(target=self.watch, daemon=True)
        self.thread.start()

    def watch(self):
        last = time.monotonic()
        while not self.ended.wait(0.1):
            now = time.monotonic()
            self.seconds += max(0, now - last - 0.2)
            last = now

    def end(self):
        self.ended.set()
        self.thread.join()
        return self.seconds


class Result:
    def __init__(self, said, seconds, stalled, status, cpu, memory):
        self.said, self.seconds, self.stalled = said, seconds, stalled
        self.exit, self.cpu, self.memory = os.waitstatus_to_exitcode(status), cpu, memory


# Told by a process that is small itself, since what a process has before it is
# another program counts as that one's.
LAUNCHER = """
import os, signal, sys
pid = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ)
signal.signal(signal.SIGALRM, lambda *_: os.kill(pid, signal.SIGKILL))
signal.alarm(int(sys.argv[1]))
_, status, usage = os.wait4(pid, 0)
print("\\0", status, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)
"""


def run(env, arguments, seconds):
    start, stalls = time.monotonic(), Stalls()
    p = subprocess.run([sys.executable, "-ISsBc", LAUNCHER, str(seconds), "cmkfs"] + arguments,
                       env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT, check=True)
    said, used = p.stdout.decode(errors="replace").rsplit("\0", 1)
    status, cpu, memory = used.split()
    return Result(said, time.monotonic() - start, stalls.end(), int(status), float(cpu), int(memory))


def leaked(d, said, secrets):
    """Where a secret is that should be nowhere but in the credential's own file."""
    texts = {"its output": said.encode()}
    for path, _, names in os.walk(d):
        for name in names:
            if path != os.path.join(d, "home"):
                with open(os.path.join(path, name), "rb") as file:
                    texts[name] = file.read()
    return [where for where, text in texts.items() for s in secrets if s.encode() in text]


def judge(row, server, d, result, usual):
    said = result.said
    if result.exit == -9:
        yield "hangs"
    elif result.exit < 0 or result.exit > 127:
        yield f"died: {result.exit}"
    if result.exit != EXITS.get(row.result, REFUSED):
        yield f"exit {result.exit} instead of {EXITS.get(row.result, REFUSED)}"
    if row.result != OK and not re.search(fr"^\w+ +{row.result} ", said, re.M):
        yield f"no {row.result}"
    if row.says and not re.search(row.says, said):
        yield f"'{row.says}' is not in it"
    if row.result != OK and not re.search(r"^cmkfs: error: .*\ncmkfs: hint: .", said, re.M):
        yield "no error and hint"
    failed = max((int(ms) for ms in re.findall(r"^\w+ +E\w+ +(\d+) ", said, re.M)), default=0)
    if failed > 1000 * (DEADLINE + LATE + result.stalled) or result.cpu > 1:
        yield f"{failed} ms for an operation, {result.cpu:.1f} s of the processor"
    if result.seconds < row.at_least:
        yield f"no patience: {result.seconds:.1f} s"
    faults = sum(1 for _, _, hit in server.calls if hit)
    if faults > row.calls:
        yield f"{faults} calls"
    if row.fault and not faults:
        yield NEVER_MET
    if row.stream and server.sent > SLACK:
        yield f"{server.sent} bytes were read"
    if result.memory > usual + MEMORY:
        yield f"{(result.memory - usual) >> 20} MiB more than usual"
    keys = os.path.join(d, "session-keys")
    if os.path.exists(keys) and os.path.getsize(keys):
        yield "the keys of TLS were written down"
    for where in leaked(d, said, server.service.secrets):
        yield f"a secret is in {where}"


def try_once(name, row, operation, tls, usual):
    service = fault_services.SERVICES[name]()
    if row.before:
        row.before(service)
    server = f.FaultServer(tls, service)
    with tempfile.TemporaryDirectory(prefix="fault-", dir=os.getcwd()) as d:
        env = configure(d, service, server.port, tls)
        fault = row.fault() if getattr(row.fault, "__name__", "") == "<lambda>" else row.fault
        server.set(fault, operation)
        if row.setup:
            row.setup(server)
        if row.clock:
            env.update(LD_PRELOAD=FAKETIME, FAKETIME=row.clock, FAKETIME_DONT_FAKE_MONOTONIC="1",
                       ASAN_OPTIONS=env.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0")
        result = run(env, ["key", "test", service.uri(server.port)], DEADLINE * 6)
        wrong = list(judge(row, server, d, result, usual))
    server.close()
    return wrong, result.said


def try_row(job):
    name, row, operation, tls, usual = JOBS[job]
    for _ in range(3):
        wrong, said = try_once(name, row, operation, tls, usual)
        # A machine so busy that even what is well takes too long proves nothing.
        if NEVER_MET not in wrong:
            break
    if wrong:
        return f"{name}: {row.name} of {operation}: {'; '.join(wrong)}\n    " + \
            said.strip().replace("\n", "\n    ")
    return None


def usual_memory(name, tls):
    row = Row("nothing wrong", None, OK)
    service = fault_services.SERVICES[name]()
    server = f.FaultServer(tls, service)
    with tempfile.TemporaryDirectory(prefix="fault-", dir=os.getcwd()) as d:
        env = configure(d, service, server.port, tls)
        result = run(env, ["key", "test", service.uri(server.port)], DEADLINE * 6)
        wrong = list(judge(row, server, d, result, 1 << 40))
    server.close()
    if wrong:
        sys.exit(f"{name}: {row.name}: {wrong}\n{result.said}")
    return result.memory


JOBS = []  # for the processes that are forked


def jobs(providers, long, only):
    for i, row in enumerate(rows()):
        if only and only not in row.name:
            continue
        able = [p for p in providers if not row.only or p in row.only]
        # The short form gives each row once: to one provider after another.
        for p in able if long else able[i % len(able):][:1] if able else []:
            for operation in row.on if long else row.on[-1:]:
                yield p, row, operation


def main():
    p = argparse.ArgumentParser()
    p.add_argument("tls")
    p.add_argument("providers", nargs="+")
    p.add_argument("--long", action="store_true")
    p.add_argument("--only")
    o = p.parse_args()
    usual = {name: usual_memory(name, o.tls) for name in o.providers}
    JOBS.extend((name, row, operation, o.tls, usual[name])
                for name, row, operation in jobs(o.providers, o.long, o.only))
    done = []
    for waits, workers in ((True, 24), (False, 4)):
        with concurrent.futures.ProcessPoolExecutor(
                workers, multiprocessing.get_context("fork")) as pool:
            done += pool.map(try_row, [i for i, j in enumerate(JOBS) if j[1].waits == waits])
    wrong = [line for line in done if line]
    for line in wrong:
        print(line)
    print(f"{len(done)} rows, {len(wrong)} wrong")
    sys.exit(bool(wrong) or not done)


if __name__ == "__main__":
    main()
