# SPDX-License-Identifier: Apache-2.0
"""The faults of provider_faults.py as rows: what a server does, in the place of
which operations, and what `cmkfs key test` must make of it.  Here those of every
service and those of HTTP; those of KMIP are in provider_fault_rows_kmip.py.
"""
import os

import fault as f
from provider_fault_row import OK, Row, TRIES
from provider_fault_rows_kmip import KMIP, kmip_rows

HTTP = ("azure", "vault", "aws")

FAKETIME = f"/usr/lib/{os.uname().machine}-linux-gnu/faketime/libfaketime.so.1"


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
              "TLS|certificate|SSL", on=("describe", "wrap"), calls=1)


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


def every_rows():
    """Of every service."""
    down = ("describe", "wrap", "unwrap")
    yield Row("K01 refused", None, "EAGAIN", setup=f.FaultServer.refuse, calls=0)
    yield Row("K01 dropped", None, "EAGAIN", setup=f.FaultServer.swallow, calls=0)
    yield Row("K01 silent before TLS", f.Silent(), "EAGAIN")
    yield Row("K01 silent", f.quiet, "EAGAIN", on=down)
    yield Row("K01 a byte a second from the first", f.drip(), "EAGAIN", on=("unwrap",))
    yield Row("K01 hangs up", f.hang_up, "EAGAIN", on=down, calls=TRIES + 1)
    yield Row("K01 hangs up once", lambda: f.times(1, f.hang_up), OK, calls=2 * TRIES)
    yield from key_rows()
    yield from tls_rows()
    if os.path.exists(FAKETIME):
        yield from clock_rows()
    else:
        print("left out: wrong clocks (faketime is not installed)")


def http_rows():
    down = ("describe", "wrap", "unwrap")
    yield Row("K01 silent at the login", f.quiet, "EAGAIN", on=("token",))
    yield Row("K01 body a byte a second", f.drip(b"\r\n\r\n"), "EAGAIN", on=("unwrap",))
    yield Row("K01 resets", f.reset, "EAGAIN", on=down)
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
    yield from redirect_rows()
    yield Row("K09 clock", f.refusal("skewed"), "EAGAIN", "clock", only=("aws",))
    if os.path.exists(FAKETIME):
        yield Row("K09 an hour fast, and told so", f.refusal("skewed"), "EAGAIN",
                  "clock is off by 3[56]..", only=("aws",), clock="+1h")
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


def rows():
    yield from every_rows()
    for mine, providers in ((http_rows, HTTP), (kmip_rows, KMIP)):
        for row in mine():
            row.only = row.only or providers
            yield row
