# SPDX-License-Identifier: Apache-2.0
"""The faults of provider_faults.py that only a server of TTLV has.  What HTTP has
beside them has no counterpart there: Retry-After, redirects, chunks, compression,
base64, tokens.
"""
import fault as f
import fault_kmip as k
from provider_fault_row import OK, Row, TRIES

KMIP = ("kmip", "kmip2.1")
ALL = ("describe", "wrap", "unwrap")
WRONG = "cannot be understood|too large, or none"
FRAME = {"message": k.MESSAGE, "header": k.HEADER, "batch item": k.BATCH_ITEM,
         "operation": k.OPERATION, "status": k.STATUS, "payload": k.PAYLOAD,
         "identifier": k.UID}
ONCE, AGAIN = 1, 2  # a question is put again where its connection was an old one, or in doubt


def busy_rows():
    """No answer of KMIP says how long to wait: the next question is that of the lease."""
    for name in ("busy", "storage"):
        yield Row(f"K02 {name}", k.refusal(name), "EAGAIN", on=ALL, calls=ONCE)
    # These may be the blob's fault too, which asking anew tells apart.
    for name in ("internal", "unknown"):
        yield Row(f"K02 {name}", k.refusal(name), "EAGAIN", on=ALL, calls=AGAIN)
    yield Row("K02 pending", k.valued(k.STATUS, 2), "EAGAIN", on=ALL, calls=AGAIN)


def frame_rows():
    for name, n in {"nothing": 0, "half a head": 4, "a head": 8, "half": 60}.items():
        yield Row(f"K03 cut after {name}", k.cut(n), "EAGAIN", on=ALL, calls=AGAIN)
    yield Row("K03 cut before the last byte", k.cut(-1), "EAGAIN", on=ALL, calls=AGAIN)
    yield Row("K03 resets", k.cut_off, "EAGAIN", on=ALL, calls=AGAIN)
    bodies = {"HTML": b"HTTP/1.1 400 Bad\r\nContent-Type: text/html\r\n\r\n<html></html>",
              "garbage": bytes(range(256)), "zeros": bytes(64), "deep": k.nested(2000),
              "empty": k.nested(1)}
    for name, data in bodies.items():
        yield Row(f"K03 {name}", k.sends(data), "EPROTO", WRONG, on=ALL, calls=ONCE)
    for name, n in {"of nothing": 0, "4 GiB": 0xfffffff8, "over 4 GiB": 0xffffffff,
                    "1 MiB": 1 << 20, "the cap and 8": 32768}.items():
        yield Row(f"K05 length {name}", k.length(n), "EPROTO", WRONG, on=ALL, calls=ONCE)
    for name, n in {"4 GiB": 0xfffffff0, "64 MiB": 64 << 20}.items():
        yield Row(f"K05 endless {name}", k.endless(n), "EPROTO", WRONG, on=ALL, calls=ONCE,
                  stream=True)
    # What nobody asked for is no answer to the next question.
    yield Row("K05 more than it said", k.altered(lambda good: good + bytes(8)), OK, on=ALL,
              calls=2 * TRIES)
    yield Row("K05 an answer twice", k.repeated, OK, on=ALL, calls=2 * TRIES)
    for name, by in {"long": 8, "odd": 1, "short": -8}.items():
        yield Row(f"K04 {name} by {by}", k.altered(
            lambda good, by=by: good[:4] + (len(good) - 8 + by).to_bytes(4, "big") +
            good[8:] + bytes(max(by, 0) + 7)), "EPROTO", WRONG, on=ALL, calls=ONCE)


def item_rows():
    for name, tag in FRAME.items():
        if name != "message":
            yield Row(f"K04 {name} twice", k.twice(tag), "EPROTO", WRONG, on=ALL, calls=ONCE)
        if name not in ("message", "identifier"):
            yield Row(f"K04 no {name}", k.without(tag), "EPROTO", WRONG, on=ALL, calls=ONCE)
        for kind in (0, k.INTEGER, k.LONG, k.BIG, k.BOOL, k.BYTES, k.DATE, 12, 255):
            yield Row(f"K04 {name} of type {kind}", k.retyped(tag, kind), "EPROTO", WRONG,
                      on=ALL, calls=ONCE)
    yield Row("K04 a request", k.each(k.MESSAGE, lambda i: [[0x420078, *i[1:]]]), "EPROTO", WRONG,
              on=ALL, calls=ONCE)
    yield Row("K04 of another operation", k.valued(k.OPERATION, 0x0a), "EPROTO", WRONG, on=ALL,
              calls=ONCE)
    yield Row("K12 of another key", k.valued(k.UID, "2"), "EPROTO", WRONG, on=ALL, calls=ONCE)
    for name, words in {"empty": "", "long": "x" * 20000, "with NUL": "1\0"}.items():
        yield Row(f"K04 identifier {name}", k.valued(k.UID, words), "EPROTO", WRONG, on=ALL,
                  calls=ONCE)
    yield Row("K03 done, and refused", k.each(k.PAYLOAD, lambda i: [
        [k.REASON, k.ENUM, 0x0c], [k.WORDS, k.TEXT, "no"]]), "EPROTO", WRONG, on=ALL, calls=ONCE)
    yield Row("K04 hostile words", k.refusal("hostile words"), "EACCES", on=ALL)


def value_rows():
    for tag, name in ((k.DATA, "data"), (k.TAG, "tag")):
        on = ("wrap",) if tag == k.TAG else ("wrap", "unwrap")
        for what, fault in {"twice": k.twice(tag), "missing": k.without(tag),
                            "text": k.retyped(tag, k.TEXT), "number": k.retyped(tag, k.LONG),
                            "structure": k.retyped(tag, k.STRUCTURE)}.items():
            yield Row(f"K04 {name} {what}", fault, "EPROTO", WRONG, on=on, calls=ONCE)
        for n in (0, 11, 15, 17, 31, 33, 20000):
            yield Row(f"K06 {name} of {n} bytes", k.valued(tag, bytes(n)), "EPROTO", WRONG,
                      on=("wrap",), calls=ONCE)
    # Nothing that is made unwraps: it is not this blob that is bad.
    yield Row("K06 wrapped otherwise", k.valued(k.DATA, bytes(32)), "EAGAIN", on=("wrap",),
              calls=AGAIN)
    yield Row("K06 nonce of 11 bytes", k.each(k.DATA, lambda i: [
        i, [k.NONCE, k.BYTES, bytes(11)]]), "EPROTO", WRONG, on=("wrap",), calls=ONCE)


def attribute_rows():
    def row(name, fault, result, says="", only=None):
        return Row(f"K04 {name}", fault, result, says, on=("describe",), calls=ONCE, only=only)
    for what, fault in {"a name twice": k.twice(k.NAME), "no name": k.without(k.NAME),
                        "names as bytes": k.retyped(k.NAME, k.BYTES),
                        "no values": k.without(k.VALUE),
                        "values as bytes": k.retyped(k.VALUE, k.BYTES),
                        "attributes twice": k.twice(k.ATTRIBUTE)}.items():
        yield row(what, fault, "EPROTO", WRONG, only=("kmip",))
    for what, fault in {"no attributes": k.without(k.ATTRIBUTES),
                        "attributes twice": k.twice(k.ATTRIBUTES),
                        "state twice": k.twice(k.STATE), "state as number": k.retyped(
                            k.STATE, k.INTEGER), "length as long": k.retyped(k.LENGTH, k.LONG),
                        "attributes as bytes": k.retyped(k.ATTRIBUTES, k.BYTES)}.items():
        yield row(what, fault, "EPROTO", WRONG, only=("kmip2.1",))
    for name, values, result in (
            ("no state", {}, "EPROTO"), ("state 0", {"STATE": 0}, "EPROTO"),
            ("state 6", {"STATE": 6}, "ENOENT"), ("state 2^31", {"STATE": 1 << 31}, "EPROTO"),
            ("length -1", {"LENGTH": -1}, "EKEYREJECTED"),
            ("length 0", {"LENGTH": 0}, "EKEYREJECTED"),
            ("length 2^31 - 1", {"LENGTH": (1 << 31) - 1}, "EKEYREJECTED"),
            ("no AES", {"ALGORITHM": 2}, "EKEYREJECTED"),
            ("no key", {"OBJECT_TYPE": 1}, "EKEYREJECTED"), ("no use", {"USAGE": 0}, "EACCES"),
            ("from the end of time", {"ACTIVATION": (1 << 63) - 1}, "EKEYEXPIRED"),
            ("until the beginning", {"DEACTIVATION": -(1 << 63)}, "EKEYEXPIRED")):
        def before(service, values=values):
            service.attributes.update({getattr(k, n): v for n, v in values.items()})
            if not values:
                del service.attributes[k.STATE]
        yield Row(f"K04 {name}", None, result, before=before, calls=0)


def client_rows():
    for name in ("client-expired", "client-wrong-ca"):
        yield Row(f"K08 {name}", None, "EAGAIN", before=lambda service, name=name: setattr(
            service, "client", name))


def refusal_rows():
    """On the way, and of a key that the server has just described as well."""
    yield Row("K10 credential refused", k.refusal("login"), "EKEYREJECTED", on=ALL, calls=ONCE)
    yield Row("K16 denied", k.refusal("denied"), "EACCES", "Permission Denied", on=ALL)
    yield Row("K16 gone", k.refusal("gone"), "ENOENT", "Item Not Found", on=ALL, calls=ONCE)
    yield Row("K16 archived", k.refusal("archived"), "EKEYREVOKED", on=ALL, calls=ONCE)
    for state, result in (("DEACTIVATED", "EKEYREVOKED"), ("COMPROMISED", "EKEYREVOKED"),
                          ("DESTROYED", "ENOENT")):
        yield Row(f"K16 just {state.lower()}", k.refusal("disabled", STATE=getattr(k, state)),
                  result, state.lower(), on=("wrap", "unwrap"), calls=ONCE)
    # What is told of a wrong tag; what is made now unwraps.
    for name in ("ciphertext", "unsupported"):
        yield Row(f"K16 {name}, once", lambda name=name: f.times(1, k.refusal(name)), "EBADMSG",
                  "does not unwrap", calls=AGAIN)
    yield Row("K16 ciphertext, always", k.refusal("ciphertext"), "EAGAIN", calls=AGAIN)
    for name in ("invalid", "version"):
        yield Row(f"K16 {name}", k.refusal(name), "EPROTO", on=ALL, calls=ONCE)
    yield Row("K16 unsupported", k.refusal("unsupported"), "EKEYREJECTED", on=ALL, calls=AGAIN)


def kmip_rows():
    for rows in (busy_rows, frame_rows, item_rows, value_rows, attribute_rows, client_rows,
                 refusal_rows):
        yield from rows()
