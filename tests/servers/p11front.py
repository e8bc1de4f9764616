#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A server of PKCS #11 tokens for tests: p11front.py SOCKET MODULE.

Each connection of p11-kit-client.so gets a `p11-kit remote MODULE` of its own,
and all bytes pass through this one process: stopped, it is a server that is
silent; ended, it is one that is gone.
"""
import os
import select
import socket
import subprocess
import sys


def main():
    path, module = sys.argv[1:3]
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path + ".new")
    listener.listen()
    os.rename(path + ".new", path)  # who finds it is served
    peers = {}  # descriptor to read from → descriptor to write to, and what to close
    poll = select.poll()
    poll.register(listener, select.POLLIN)

    def accept():
        client, _ = listener.accept()
        child = subprocess.Popen(["p11-kit", "remote", module], stdin=subprocess.PIPE,
                                 stdout=subprocess.PIPE, bufsize=0)
        both = (client, child)
        peers[client.fileno()] = (child.stdin.fileno(), both)
        peers[child.stdout.fileno()] = (client.fileno(), both)
        poll.register(client, select.POLLIN)
        poll.register(child.stdout, select.POLLIN)

    def end(client, child):
        for f in (client, child.stdout):
            poll.unregister(f)
            del peers[f.fileno()]
        client.close()
        child.stdin.close()
        child.stdout.close()
        child.kill()
        child.wait()

    while True:
        for fd, _ in poll.poll():
            if fd == listener.fileno():
                accept()
                continue
            if fd not in peers:
                continue
            to, both = peers[fd]
            try:
                data = os.read(fd, 65536)
                alive = bool(data)
                while data:
                    data = data[os.write(to, data):]
            except OSError:
                alive = False
            if not alive:
                end(*both)


main()
