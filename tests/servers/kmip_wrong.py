#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A KMIP server that does wrong: kmip_wrong.py DIR TLS-DIR VECTORS [CERTIFICATE].

It writes its port to DIR/port, and answers each request as DIR/mode says: with
an answer of the vectors by its name, or one of the wrongs below.
"""
import json
import socket
import ssl
import sys
import threading
import time


def wrongs(good):
    return {
        "garbage": bytes(range(256)),
        "html": b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/html\r\n\r\n<html></html>",
        "huge": good[:4] + b"\xff\xff\xff\xf0" + good[8:],
        "large": good[:4] + b"\x00\x10\x00\x00" + good[8:],
        "long-item": good[:0x54] + b"\x7f" + good[0x55:],
        "not-even": good[:7] + bytes([good[7] + 1]) + good[8:] + bytes(8),
        "empty-message": good[:4] + b"\0\0\0\0",
        "request": b"\x42\x00\x78" + good[3:],
        "deep": nested(2000),
    }


def nested(depth):
    out = b""
    for _ in range(depth):
        out = b"\x42\x00\x7b\x01" + len(out).to_bytes(4, "big") + out
    return out


def answer(c, mode, answers):
    good = answers["get reply 1.4"]
    if mode == "close":
        return False
    if mode == "silent":
        time.sleep(60)
    elif mode == "slow":
        for i in range(len(good)):
            c.sendall(good[i : i + 1])
            time.sleep(0.5)
    elif mode == "cut":
        c.sendall(good[:100])
        return False
    else:
        c.sendall(wrongs(good).get(mode) or answers[mode])
    return True


def serve(c, directory, answers):
    try:
        while c.recv(65536):
            with open(f"{directory}/mode") as f:
                if not answer(c, f.read().strip(), answers):
                    break
        c.close()
    except OSError:
        pass


def context_of(tls, name):
    """NAME: a certificate, or a TLS that nobody should speak any more."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    cert = "server" if name in ("tls1.0", "null") else name
    if cert != name:
        top = ssl.TLSVersion.TLSv1 if name == "tls1.0" else ssl.TLSVersion.TLSv1_2
        context.maximum_version = top
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.set_ciphers(("NULL" if name == "null" else "ALL") + ":@SECLEVEL=0")
    context.load_cert_chain(f"{tls}/{cert}.pem", f"{tls}/{cert}.key")
    context.load_verify_locations(f"{tls}/ca.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    return context


def main():
    directory, tls, vectors, name = (sys.argv[1:] + ["server"])[:4]
    with open(vectors) as f:
        answers = {r["name"]: bytes.fromhex(r["hex"]) for r in json.load(f)["replies"]}
    context = context_of(tls, name)
    listener = socket.create_server(("127.0.0.1", 0))
    with open(f"{directory}/port", "w") as f:
        f.write(str(listener.getsockname()[1]))
    while True:
        plain, _ = listener.accept()
        try:
            c = context.wrap_socket(plain, server_side=True)
        except OSError:
            continue
        threading.Thread(target=serve, args=(c, directory, answers), daemon=True).start()


main()
