# SPDX-License-Identifier: Apache-2.0
"""A key server that does wrong by script.

FaultServer(tls, service) listens on a free port of 127.0.0.1 with TLS and
answers as SERVICE (fault_services.py) does, but for the requests that its `fault`
concerns.  All that it was asked is in `calls`.  TLS is a directory with the
certificates of fault_tls.sh.  Everything that it sends is bounded.

A fault is a function of (server, connection, request) that answers in the
place of the service, or an object with a method `accept` that is given the
connection before TLS; faults below make them.
"""
import json
import socket
import ssl
import struct
import threading
import time
import zlib

LIMIT = 64 << 20  # of what a fault sends before it gives up
PATIENCE = 120    # seconds that a silent fault waits


class Request:
    def __init__(self, method, path, headers, body):
        self.method, self.path, self.headers, self.body = method, path, headers, body

    def json(self):
        return json.loads(self.body)


def read_request(conn):
    """The next request of a connection; None when there is none."""
    head = b""
    while b"\r\n\r\n" not in head:
        data = conn.recv(65536)
        if not data or len(head) > LIMIT:
            return None
        head += data
    head, body = head.split(b"\r\n\r\n", 1)
    lines = head.decode("latin-1").split("\r\n")
    method, path, _ = lines[0].split(" ", 2)
    headers = {k.strip().lower(): v.strip() for k, v in (line.split(":", 1) for line in lines[1:])}
    length = int(headers.get("content-length", "0"))
    while len(body) < length:
        data = conn.recv(65536)
        if not data:
            return None
        body += data
    return Request(method, path, headers, body)


def http(status, body, headers=None):
    """The bytes of an answer."""
    h = {"Content-Type": "application/json", "Content-Length": str(len(body))}
    h.update(headers or {})
    head = f"HTTP/1.1 {status} Answer\r\n" + "".join(f"{k}: {v}\r\n" for k, v in h.items())
    return head.encode("latin-1") + b"\r\n" + body


class Service:
    """What a service is unless it says otherwise: HTTP, and no certificates of clients."""

    def read(self, conn):
        """The next request, or None."""
        return read_request(conn)

    def prepare(self, context, tls):
        """CONTEXT is for its connections."""


class FaultServer:
    def __init__(self, tls, service):
        self.tls, self.service = tls, service
        self.fault, self.fault_on = None, None  # what is wrong, and with which operation
        self.calls = []        # (operation, path, whether the fault answered)
        self.sent = 0          # bytes of the last stream that a fault sent
        self.certificate = "server"
        self.open = set()      # connections
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        self.stopped = threading.Event()
        threading.Thread(target=self._accept, args=(self.listener,), daemon=True).start()

    def set(self, fault, on=None):
        """From now on FAULT answers requests for the operation ON; None: for all."""
        with self.lock:
            self.fault, self.fault_on, self.calls, self.sent = fault, on, [], 0

    def count(self, operation=None):
        with self.lock:
            return sum(1 for op, _, _ in self.calls if operation in (None, op))

    def refuse(self):
        """Nobody listens any more, and who was connected is not."""
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        with self.lock:
            for conn in self.open:
                conn.shutdown(socket.SHUT_RDWR)

    def listen_again(self):
        self.listener = socket.create_server(("127.0.0.1", self.port), backlog=64)
        threading.Thread(target=self._accept, args=(self.listener,), daemon=True).start()

    def swallow(self):
        """Connections are neither made nor refused: a queue that is full stays so."""
        self.refuse()
        self.listener = socket.create_server(("127.0.0.1", self.port), backlog=0)
        self.held = []
        for _ in range(3):
            s = socket.socket()
            s.setblocking(False)
            s.connect_ex(("127.0.0.1", self.port))
            self.held.append(s)

    def close(self):
        self.stopped.set()
        for s in [self.listener] + getattr(self, "held", []):
            s.close()

    def context(self):
        name, c = self.certificate, ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if name in ("tls1.0", "null"):
            c.minimum_version = ssl.TLSVersion.TLSv1
            c.maximum_version = ssl.TLSVersion.TLSv1 if name == "tls1.0" else ssl.TLSVersion.TLSv1_2
            c.set_ciphers(("NULL" if name == "null" else "ALL") + ":@SECLEVEL=0")
            name = "server"
        c.load_cert_chain(f"{self.tls}/{name}.pem", f"{self.tls}/{name}.key")
        self.service.prepare(c, self.tls)
        return c

    def _accept(self, listener):
        while not self.stopped.is_set():
            try:
                conn, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(conn,), daemon=True).start()

    def _serve(self, conn):
        try:
            conn.settimeout(PATIENCE)
            with self.lock:
                accept = getattr(self.fault, "accept", None)
            if accept:
                with self.lock:
                    self.calls.append(("accept", "", True))
                accept(self, conn)
            with self.context().wrap_socket(conn, server_side=True) as tls:
                self._talk(tls)
        except (OSError, ValueError):
            pass
        finally:
            conn.close()

    def _talk(self, conn):
        with self.lock:
            self.open.add(conn)
        try:
            while (request := self.service.read(conn)) and self._answer(conn, request):
                pass
        finally:
            with self.lock:
                self.open.discard(conn)

    def _answer(self, conn, request):
        """Answer; whether the connection goes on."""
        operation = self.service.operation(request)
        with self.lock:
            fault = self.fault if self.fault_on in (None, operation) else None
            fault = None if hasattr(fault, "accept") else fault
            self.calls.append((operation, request.path, bool(fault)))
        if not fault:
            conn.sendall(self.service.answer(request))
            return True
        return bool(fault(self, conn, request))


# ---- faults of the connection ----------------------------------------------------

class Silent:
    """Accepts, and says nothing: no TLS."""
    def accept(self, server, conn):
        server.stopped.wait(PATIENCE)
        raise OSError


class Plain:
    """Speaks HTTP where TLS is expected."""
    def accept(self, server, conn):
        conn.recv(65536)
        conn.sendall(http(200, b"{}"))
        raise OSError


def quiet(server, conn, request):
    server.stopped.wait(PATIENCE)


def hang_up(server, conn, request):
    conn.unwrap()


def reset(server, conn, request):
    conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{")
    conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def drip(fast=None):
    """A byte a second, from the end of FAST, at first, on."""
    def fault(server, conn, request):
        answer = server.service.answer(request)
        at = answer.index(fast) + len(fast) if fast else 0
        conn.sendall(answer[:at])
        for i in range(at, len(answer)):
            if server.stopped.wait(1):
                return
            conn.sendall(answer[i:i + 1])
    return fault


def stream(head, piece, tail=b""):
    """HEAD, and PIECE again and again until the other side has enough."""
    def fault(server, conn, request):
        sent = 0
        try:
            conn.sendall(head)
            while sent < LIMIT:
                conn.sendall(piece)
                sent += len(piece)
                server.sent = sent
            conn.sendall(tail)
        except OSError:
            pass
    return fault


def raw(data):
    """These bytes, and the end of the connection."""
    def fault(server, conn, request):
        conn.sendall(data)
        conn.unwrap()
    return fault


CHUNK = b"10000\r\n" + b"x" * 65536 + b"\r\n"
JSON_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
STREAMS = {
    "huge-length": stream(JSON_HEAD + b"Content-Length: 4294967296\r\n\r\n", b" " * 65536),
    "endless-chunked": stream(JSON_HEAD + b"Transfer-Encoding: chunked\r\n\r\n", CHUNK),
    "giant-header": stream(JSON_HEAD + b"X-Big: ", b"x" * 65536),
    "many-headers": stream(JSON_HEAD, b"X-Header: 0123456789\r\n" * 3000),
    "endless-continue": stream(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 2500),
}


def gzip_bomb(server, conn, request):
    body = zlib.compress(b"{" + b" " * (1 << 20), wbits=31)
    for _ in range(8):  # a member after another is one text
        body += body
    conn.sendall(http(200, body, {"Content-Encoding": "gzip"}))
    return True


# ---- faults of the answer ----------------------------------------------------------

def status(code, body=b"", headers=None):
    def fault(server, conn, request):
        conn.sendall(http(code, body, headers))
        return True
    return fault


def refusal(name):
    """The error that the service itself gives for NAME."""
    def fault(server, conn, request):
        conn.sendall(server.service.refusal(name))
        return True
    return fault


def with_status(code, name):
    """The same, but for the status."""
    def fault(server, conn, request):
        _, body = server.service.refusal(name).split(b"\r\n\r\n", 1)
        conn.sendall(http(code, body))
        return True
    return fault


def times(n, fault):
    """FAULT for the first N requests, then right answers."""
    left = [n]

    def some(server, conn, request):
        left[0] -= 1
        if left[0] >= 0:
            return fault(server, conn, request)
        conn.sendall(server.service.answer(request))
        return True
    return some


def change(fn):
    """The right answer with its body changed by FN (bytes to bytes)."""
    def fault(server, conn, request):
        head, body = server.service.answer(request).split(b"\r\n\r\n", 1)
        conn.sendall(http(int(head.split()[1]), fn(body)))
        return True
    return fault


def member(name, value):
    """The right answer with a value changed wherever NAME is in it; JSON is text."""
    def walk(d):
        for k in d:
            if k == name:
                d[k] = value
            elif isinstance(d[k], dict):
                walk(d[k])
        return d
    return change(lambda body: json.dumps(walk(json.loads(body))).encode())


def replaced(text):
    """The secret's own text in the answer to an unwrap, replaced by TEXT as it is."""
    def fault(server, conn, request):
        head, body = server.service.answer(request).split(b"\r\n\r\n", 1)
        value = server.service.secret_text(json.loads(body)).encode()
        conn.sendall(http(200, body.replace(b'"' + value + b'"', text)))
        return True
    return fault


def wrong_key(secret):
    """Unwrapping gives SECRET, well formed."""
    def fault(server, conn, request):
        conn.sendall(server.service.answer(request, secret=secret))
        return True
    return fault


def redirect(code, to):
    """TO: a function of the server that gives the place."""
    def fault(server, conn, request):
        conn.sendall(http(code, b"", {"Location": to(server)}))
        return True
    return fault


def certificate_changes(to):
    """Answers rightly, hangs up, and is then another one."""
    def fault(server, conn, request):
        server.certificate = to
        conn.sendall(server.service.answer(request))
        conn.unwrap()
    return fault


def http_date(seconds):
    return time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(seconds))
