#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""TLS in front of a server that speaks plain HTTP and listens on every address.

front.py DIR CERT KEY PORT INNER-PORT COMMAND...

Listens on PORT (0: a free one) of 127.0.0.1, written to DIR/port, then moves into a
network namespace of its own, where COMMAND is started: it can be reached through
this process alone.  Ends with it, or by SIGTERM.

DIR/calls has a line for each request.  While DIR/answer is there, its bytes are
the answer in the server's place, to those requests that have what DIR/answer-to
says in them, if that is there; those of DIR/answer-once to the next one alone.
"""
import ctypes
import fcntl
import os
import signal
import socket
import ssl
import struct
import subprocess
import sys
import threading

CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
SIOCSIFFLAGS, IFF_UP = 0x8914, 1
WHERE = sys.argv[1]


def enter_namespace():
    libc = ctypes.CDLL(None, use_errno=True)
    flags = CLONE_NEWNET if os.geteuid() == 0 else CLONE_NEWUSER | CLONE_NEWNET
    if libc.unshare(flags):
        raise OSError(ctypes.get_errno(), "no network namespace can be made")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        fcntl.ioctl(s, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", IFF_UP))


def content(name):
    try:
        with open(f"{WHERE}/{name}", "rb") as f:
            return f.read()
    except FileNotFoundError:
        return None


def answer_instead(request):
    """What is said in the server's place, or None."""
    with open(WHERE + "/calls", "a") as f:
        f.write("call\n")
    once = content("answer-once")
    if once is not None:
        os.unlink(WHERE + "/answer-once")
        return once
    return content("answer") if (content("answer-to") or b"") in request else None


def copy(a, b, instead=None):
    try:
        while data := a.recv(65536):
            if instead and data.startswith(b"POST ") and (said := instead(data)) is not None:
                a.sendall(said)
                break
            b.sendall(data)
    except OSError:
        pass
    for s in (a, b):
        try:
            s.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def serve(conn, context, port):
    try:
        conn.settimeout(30)
        with context.wrap_socket(conn, server_side=True) as tls, \
                socket.create_connection(("127.0.0.1", port)) as inner:
            back = threading.Thread(target=copy, args=(inner, tls), daemon=True)
            back.start()
            copy(tls, inner, answer_instead)
            back.join()
    except OSError:
        conn.close()


def wait_until_listening(port, child):
    while child.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            threading.Event().wait(0.02)
    sys.exit("the server has ended")


def main():
    cert, key = sys.argv[2:4]
    outer, port = map(int, sys.argv[4:6])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    listener = socket.create_server(("127.0.0.1", outer), backlog=64)
    enter_namespace()
    child = subprocess.Popen(sys.argv[6:])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        wait_until_listening(port, child)
        with open(WHERE + "/port.new", "w") as f:
            f.write(f"{listener.getsockname()[1]}\n")
        os.rename(WHERE + "/port.new", WHERE + "/port")
        while True:
            conn, _ = listener.accept()
            threading.Thread(target=serve, args=(conn, context, port), daemon=True).start()
    finally:
        child.terminate()
        child.wait()


main()
