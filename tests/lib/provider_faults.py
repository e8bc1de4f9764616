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

# What cmkfs-providers(7) promises of a call.
DEADLINE = 10     # seconds of one operation
LATE = 3          # what a busy machine takes longer
TRIES = 4         # requests for one operation
SLACK = 8 << 20   # of a stream: what the kernel holds of it on top of the cap
MEMORY = 16 << 20 # that a fault may cost

FAKETIME = f"/usr/lib/{os.uname().machine}-linux-gnu/faketime/libfaketime.so.1"

# Exit codes of cmkfs(1), by the error of the step that fails.
OK = "ok"
EXITS = {OK: 0, "EAGAIN": 5, "EPROTO": 5}
REFUSED = 4


class Row:
    def __init__(self, name, fault, result, says="", on=("unwrap",), calls=TRIES, at_least=0,
                 only=None, stream=False, setup=None, clock=None):
        self.__dict__.update(locals())
        self.waits = name.startswith(("K01", "K02"))


def retry_after_rows():
    forms = {"none": None, "0": "0", "1": "1", "1e9": "1000000000", "negative": "-1",
             "past": f.http_date(0), "future": f.http_date(4e9), "junk": "soon", "empty": "",
             "huge": "9" * 400}
    for code in (429, 503):
        for name, value in forms.items():
            headers = {} if value is None else {"Retry-After": value}
            yield Row(f"K02 {code} retry-after {name}", f.status(code, b"{}", headers),
                      "EAGAIN")
        yield Row(f"K02 {code} once, then well", lambda c=code: f.times(
            1, f.status(c, b"{}", {"Retry-After": "1"})), OK, at_least=1)


def json_rows():
    texts = {
        "truncated": b'{"a": "b', "empty object": b"{}", "array": b"[]", "text": b'"x"',
        "number": b"1", "null": b"null", "not even JSON": b"hello", "NUL": b'{"a\0": 1}',
        "escaped NUL": b'{"Plaintext": "\\u0000", "data": {"plaintext": "\\u0000"}, "value": "\\u0000"}',
        "invalid UTF-8": b'{"a": "\xff\xfe"}', "two documents": b"{}{}",
        "deep": b"[" * 100000, "deep and closed": b'{"a":' * 100000 + b"1" + b"}" * 100000,
        "large number": b'{"a": 1e999999}', "long number": b'{"a": ' + b"9" * 100000 + b"}",
        "100 000 members": b"{" + b",".join(b'"%d":0' % i for i in range(100000)) + b"}",
    }
    for name, text in texts.items():
        yield Row(f"K04 {name}", f.status(200, text), "EPROTO", on=("describe", "unwrap"))
    secrets = {"number": b"7", "null": b"null", "object": b"{}", "array": b"[]", "true": b"true",
               "empty": b'""', "junk": b'"!!!!"', "spaces": b'"QUJD QUJD"', "half": b'"QUJDQ"',
               "padded twice": b'"QQ===="', "long": b'"' + b"QUJD" * 20000 + b'"'}
    for name, text in secrets.items():
        yield Row(f"K04 secret is {name}", f.replaced(text), "EPROTO")
    yield Row("K04 duplicate keys", f.change(
        lambda body: body.rstrip()[:-1] + b"," + body.strip()[1:]), "EPROTO",
        on=("describe", "unwrap"))


def key_rows():
    for n in (0, 16, 31, 33, 64):
        yield Row(f"K06 key of {n} bytes", f.wrong_key(b"k" * n), "EPROTO")
    yield Row("K06 key of zeros", f.wrong_key(bytes(32)), "EBADMSG", "does not unwrap")
    yield Row("K06 another key", f.wrong_key(bytes(range(32))), "EBADMSG", "does not unwrap")


def tls_rows():
    for name in ("self-signed", "wrong-ca", "wrong-host", "expired", "tls1.0", "null"):
        def setup(server, name=name):
            server.certificate = name
        yield Row(f"K08 certificate {name}", None, "EPROTO", "TLS|certificate|SSL", setup=setup,
                  calls=0)
    yield Row("K08 plain HTTP", f.Plain(), "EPROTO")
    yield Row("K08 certificate changes", lambda: f.certificate_changes("wrong-ca"), "EPROTO",
              on=("describe",))


def redirect_rows():
    for code in (301, 302, 303, 307, 308):
        for scheme in ("https", "http"):
            yield Row(f"K08 redirect {code} to {scheme}", f.redirect(
                code, lambda s, scheme=scheme: f"{scheme}://127.0.0.1:{s.port}/elsewhere"),
                "EPROTO", on=("token", "describe", "unwrap"), calls=1)


def clock_rows():
    """The clock of this machine is wrong, by libfaketime."""
    yield Row("K09 an hour fast", None, OK, clock="+1h")
    yield Row("K09 an hour slow", None, "EPROTO", "not yet valid", clock="-1h", calls=0)
    yield Row("K09 in 1970", None, "EPROTO", "not yet valid", clock="@1970-01-02 00:00:00", calls=0)
    yield Row("K09 after 2038", None, "EPROTO", "expired", clock="@2040-01-01 00:00:00", calls=0)
    yield Row("K09 an hour fast, and told so", f.refusal("skewed"), "EAGAIN",
              "clock is off by 3[56]..", only=("aws",), clock="+1h")


def rows():
    down = ("describe", "wrap", "unwrap")
    yield Row("K01 refused", None, "EAGAIN", setup=f.FaultServer.refuse, calls=0)
    yield Row("K01 dropped", None, "EAGAIN", setup=f.FaultServer.swallow, calls=0)
    yield Row("K01 silent before TLS", f.Silent(), "EAGAIN")
    yield Row("K01 silent", f.quiet, "EAGAIN", on=("token",) + down)
    yield Row("K01 a byte a second", f.drip(False), "EAGAIN", on=("unwrap",))
    yield Row("K01 head a byte a second", f.drip(True), "EAGAIN", on=("unwrap",))
    yield Row("K01 hangs up", f.hang_up, "EAGAIN", on=down, calls=TRIES + 1)
    yield Row("K01 resets", f.reset, "EAGAIN", on=down)
    yield Row("K01 hangs up once", lambda: f.times(1, f.hang_up), OK)
    yield from retry_after_rows()
    for code in (500, 502, 504):
        yield Row(f"K03 {code}", f.status(code, b"{}"), "EAGAIN", on=("token",) + down)
        yield Row(f"K03 {code} HTML", f.status(code, b"<html>x</html>"), "EAGAIN")
    yield Row("K03 500 once, then well", lambda: f.times(1, f.status(500, b"")), OK, on=down,
              only=("azure", "aws"))
    yield Row("K03 200 empty", f.status(200), "EPROTO", on=("token",) + down)
    yield Row("K03 200 HTML", f.status(200, b"<!DOCTYPE html><title>x</title>", {
        "Content-Type": "text/html"}), "EPROTO", on=("token",) + down)
    yield Row("K03 200 with an error", f.with_status(200, "denied"), "EPROTO", on=down)
    yield Row("K03 204", f.raw(b"HTTP/1.1 204 No\r\n\r\n"), "EPROTO")
    yield Row("K03 no HTTP", f.raw(b"hello\r\n"), "EPROTO")
    yield Row("K03 HTTP/0.9", f.raw(b"{}"), "EPROTO")
    yield Row("K03 ends early", f.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}"),
              "EAGAIN")
    for name, stream in f.STREAMS.items():
        # libcurl does not tell a line of more than 100 KiB from no memory.
        result = "EAGAIN" if name == "giant-header" else "EPROTO"
        yield Row(f"K05 {name}", stream, result, stream=True, on=("describe", "unwrap"))
    yield Row("K05 gzip bomb", f.gzip_bomb, "EPROTO")
    yield from json_rows()
    yield from key_rows()
    yield from tls_rows()
    yield from redirect_rows()
    yield Row("K09 clock", f.refusal("skewed"), "EAGAIN", "clock", only=("aws",))
    if os.path.exists(FAKETIME):
        yield from clock_rows()
    else:
        print("left out: wrong clocks (faketime is not installed)")
    # What Vault says of it is what it says of a policy.
    yield Row("K10 credential over", f.refusal("expired"), "EKEYREJECTED", on=down,
              only=("azure", "aws"))
    yield Row("K10 identity refused", f.refusal("login"), "EKEYREJECTED", on=("token",))
    yield Row("K10 session over when it comes", None, "EKEYREJECTED", "clock", only=("aws",),
              setup=lambda server: setattr(server.service, "lifetime", -60), calls=0)
    yield Row("K16 denied", f.refusal("denied"), "EACCES", on=down, calls=2)
    yield Row("K16 disabled", f.refusal("disabled"), "EKEYREVOKED", calls=1)
    yield Row("K16 gone", f.refusal("gone"), "ENOENT", on=down, calls=1)
    yield Row("K16 ciphertext", f.refusal("ciphertext"), "EBADMSG", calls=2)


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
    server = f.FaultServer(tls, service)
    with tempfile.TemporaryDirectory(prefix="fault-", dir=os.getcwd()) as d:
        env = configure(d, service, server.port, tls)
        fault = row.fault() if getattr(row.fault, "__name__", "") == "<lambda>" else row.fault
        server.set(fault, operation)
        if row.setup:
            row.setup(server)
        if row.clock:
            env.update(LD_PRELOAD=FAKETIME, FAKETIME=row.clock, FAKETIME_DONT_FAKE_MONOTONIC="1")
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
