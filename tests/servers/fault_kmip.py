# SPDX-License-Identifier: Apache-2.0
"""A KMIP server for the fault server, and the wrongs that only TTLV knows.

Kmip answers Get Attributes, Encrypt and Decrypt of one AES key, as a service of
fault_services.py does; Kmip21 in the words of KMIP 2.1.  An item is a list
[tag, type, value], the value of a structure being a list of items.
"""
import os
import socket
import ssl
import struct
import time

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from fault import LIMIT, Service

STRUCTURE, INTEGER, LONG, BIG, ENUM, BOOL, TEXT, BYTES, DATE = range(1, 10)
NUMBERS = {INTEGER: ">i", ENUM: ">I", LONG: ">q", BOOL: ">q", DATE: ">q"}

MESSAGE, HEADER, BATCH_ITEM = 0x42007b, 0x42007a, 0x42000f
VERSION, MAJOR, MINOR, TIME, COUNT = 0x420069, 0x42006a, 0x42006b, 0x420092, 0x42000d
OPERATION, STATUS, REASON, WORDS, PAYLOAD = 0x42005c, 0x42007f, 0x42007e, 0x42007d, 0x42007c
UID, DATA, NONCE, AAD, TAG = 0x420094, 0x4200c2, 0x42003d, 0x4200fe, 0x4200ff
ATTRIBUTE, NAME, VALUE, ATTRIBUTES = 0x420008, 0x42000a, 0x42000b, 0x420125
OBJECT_TYPE, ALGORITHM, LENGTH, USAGE, STATE = 0x420057, 0x420028, 0x42002a, 0x42002c, 0x42008d
ACTIVATION, DEACTIVATION = 0x420001, 0x42002f
OPERATIONS = {0x0b: "describe", 0x1f: "wrap", 0x20: "unwrap"}
ACTIVE, DEACTIVATED, COMPROMISED, DESTROYED = 2, 3, 4, 5


# ---- TTLV ------------------------------------------------------------------------

def framed(tag, kind, value, length=None):
    head = tag.to_bytes(3, "big") + bytes([kind])
    length = len(value) if length is None else length
    return head + struct.pack(">I", length) + value + bytes(-len(value) % 8)


def encode(item):
    tag, kind, value = item
    if kind == STRUCTURE and isinstance(value, list):
        value = b"".join(map(encode, value))
    elif isinstance(value, int):
        value = struct.pack(NUMBERS[kind], value)
    elif isinstance(value, str):
        value = value.encode()
    return framed(tag, kind, value)


def decode(data):
    """The items of DATA, which is well formed."""
    items = []
    while data:
        tag, kind = int.from_bytes(data[:3], "big"), data[3]
        n, = struct.unpack(">I", data[4:8])
        value = data[8:8 + n]
        if kind == STRUCTURE:
            value = decode(value)
        elif kind in NUMBERS:
            value, = struct.unpack(NUMBERS[kind], value)
        items.append([tag, kind, value])
        data = data[8 + n + -n % 8:]
    return items


def find(items, tag):
    return next((value for t, _, value in items if t == tag), None)


def read_message(conn):
    """The next message of a connection; None when there is none."""
    data = b""
    while len(data) < 8 or len(data) < 8 + struct.unpack(">I", data[4:8])[0]:
        more = conn.recv(65536)
        if not more or len(data) > LIMIT:
            return None
        data += more
    return data


class Message:
    """A request; its path is the key's identifier."""

    def __init__(self, data):
        (_, _, items), = decode(data)
        item = find(items, BATCH_ITEM)
        self.code, self.payload = find(item, OPERATION), find(item, 0x420079)
        self.path = find(self.payload, UID).decode()


# ---- the service -----------------------------------------------------------------

class Kmip(Service):
    name = "kmip"
    version = (1, 4)
    refusals = {
        "login": (0x03, "Authentication Not Successful"), "invalid": (0x04, "no such message"),
        "unsupported": (0x05, "Operation not supported"), "gone": (0x01, "not found"),
        "denied": (0x0c, "no permission"), "disabled": (0x0c, "must be in the Active state"),
        "busy": (0x3a, "Busy."), "internal": (0x2a, "Internal error"),
        "storage": (0x44, "no storage"), "ciphertext": (0x100, ""), "version": (0x3f, ""),
        "unknown": (0x7777, "what nobody has heard of"), "archived": (0x0d, ""),
        "hostile words": (0x0c, "a\0b\x1b[2J\r\n\xff" + "%n%s" * 200),
    }
    names = ((OBJECT_TYPE, "Object Type", ENUM), (ALGORITHM, "Cryptographic Algorithm", ENUM),
             (LENGTH, "Cryptographic Length", INTEGER),
             (USAGE, "Cryptographic Usage Mask", INTEGER), (STATE, "State", ENUM),
             (ACTIVATION, "Activation Date", DATE), (DEACTIVATION, "Deactivation Date", DATE))

    def __init__(self):
        self.key = AESGCM(os.urandom(32))
        self.attributes = {OBJECT_TYPE: 2, ALGORITHM: 3, LENGTH: 256, USAGE: 0x0c, STATE: ACTIVE}
        self.client = "client"
        self.secrets = []

    def config(self, port, tls, home):
        key = f"{tls}/{self.client}.key"
        with open(key) as f:
            self.secrets = f.read().splitlines()[1:2]
        return (f"[kmip]\nversion = {self.version[0]}.{self.version[1]}\nca-file = {tls}/ca.pem\n"
                f"client-certificate = {tls}/{self.client}.pem\nclient-key = {key}\n")

    def uri(self, port):
        return f"kmip://127.0.0.1:{port}/1"

    def prepare(self, context, tls):
        context.load_verify_locations(f"{tls}/ca.pem")
        context.verify_mode = ssl.CERT_REQUIRED

    def read(self, conn):
        data = read_message(conn)
        return data and Message(data)

    def operation(self, request):
        return OPERATIONS.get(request.code, "other")

    def answer(self, request, secret=None):
        return encode(self.items(request, secret))

    def items(self, request, secret=None):
        """The answer as an item."""
        operation, asked = self.operation(request), request.payload
        if operation == "describe":
            return self.done(request, self.described())
        data, nonce, aad = find(asked, DATA), find(asked, NONCE), find(asked, AAD)
        if operation == "wrap":
            sealed = self.key.encrypt(nonce, data, aad)
            return self.done(request, [[DATA, BYTES, sealed[:-16]], [TAG, BYTES, sealed[-16:]]])
        try:
            plain = self.key.decrypt(nonce, data + find(asked, TAG), aad)
        except InvalidTag:
            return self.refused(request, "ciphertext")
        return self.done(request, [[DATA, BYTES, plain if secret is None else secret]])

    def described(self):
        known = [(tag, name, kind, self.attributes[tag]) for tag, name, kind in self.names
                 if tag in self.attributes]
        if self.version >= (2, 0):
            return [[ATTRIBUTES, STRUCTURE, [[tag, kind, v] for tag, _, kind, v in known]]]
        return [[ATTRIBUTE, STRUCTURE, [[NAME, TEXT, name], [VALUE, kind, v]]]
                for _, name, kind, v in known]

    def message(self, request, items):
        version = [[MAJOR, INTEGER, self.version[0]], [MINOR, INTEGER, self.version[1]]]
        header = [[VERSION, STRUCTURE, version], [TIME, DATE, int(time.time())],
                  [COUNT, INTEGER, 1]]
        return [MESSAGE, STRUCTURE, [
            [HEADER, STRUCTURE, header],
            [BATCH_ITEM, STRUCTURE, [[OPERATION, ENUM, request.code], *items]]]]

    def done(self, request, payload):
        return self.message(request, [[STATUS, ENUM, 0], [PAYLOAD, STRUCTURE, [
            [UID, TEXT, request.path], *payload]]])

    def refused(self, request, name):
        reason, words = self.refusals[name]
        return self.message(request, [[STATUS, ENUM, 1], [REASON, ENUM, reason],
                                      [WORDS, TEXT, words.encode("latin-1")]])


class Kmip21(Kmip):
    name = "kmip2.1"
    version = (2, 1)


# ---- faults ----------------------------------------------------------------------

def refusal(name, **attributes):
    """The server's error NAME, with attributes of the key set from then on."""
    def fault(server, conn, request):
        server.service.attributes.update({globals()[k]: v for k, v in attributes.items()})
        conn.sendall(encode(server.service.refused(request, name)))
        return True
    return fault


def altered(fn):
    """The right answer, as what FN makes of its bytes."""
    def fault(server, conn, request):
        conn.sendall(fn(server.service.answer(request)))
        return True
    return fault


def walk(item, fn):
    """ITEM with every list of children, from the top, replaced by FN of it."""
    tag, kind, value = item
    if kind == STRUCTURE and isinstance(value, list):
        value = fn([walk(child, fn) for child in value])
    return [tag, kind, value]


def each(tag, fn):
    """The right answer with every item of TAG as the items that FN makes of it."""
    def fault(server, conn, request):
        top = walk([0, STRUCTURE, [server.service.items(request)]], lambda items: [
            new for item in items for new in (fn(item) if item[0] == tag else [item])])
        conn.sendall(b"".join(map(encode, top[2])))
        return True
    return fault


def twice(tag):
    return each(tag, lambda item: [item, item])


def without(tag):
    return each(tag, lambda item: [])


def retyped(tag, kind):
    """Of another type, with a value of the length that this type has."""
    def change(item):
        value = encode(item)[8:]
        fixed = {INTEGER: 4, ENUM: 4, LONG: 8, BOOL: 8, DATE: 8}.get(kind, len(value))
        return [[item[0], kind, value[:fixed].ljust(fixed, b"\0")]]
    return each(tag, change)


def valued(tag, value):
    return each(tag, lambda item: [[item[0], item[1], value]])


def length(value):
    """What the message as a whole says of its length."""
    return altered(lambda good: good[:4] + struct.pack(">I", value) + good[8:])


def nested(depth):
    out = b""
    for _ in range(depth):
        out = framed(MESSAGE, STRUCTURE, out)
    return out


def sends(data):
    def fault(server, conn, request):
        conn.sendall(data)
        return True
    return fault


def endless(size):
    """An answer that says SIZE, and goes on until the other side has enough."""
    def fault(server, conn, request):
        conn.sendall(MESSAGE.to_bytes(3, "big") + bytes([STRUCTURE]) + struct.pack(">I", size))
        try:
            while server.sent < LIMIT:
                conn.sendall(bytes(65536))
                server.sent += 65536
        except OSError:
            pass
    return fault


def cut(n):
    """The first N bytes, and the end of the connection; a negative N from the end."""
    def fault(server, conn, request):
        conn.sendall(server.service.answer(request)[:n])
        conn.unwrap()
    return fault


def cut_off(server, conn, request):
    """Half an answer, and a connection that is torn down."""
    conn.sendall(server.service.answer(request)[:20])
    conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def repeated(server, conn, request):
    """One question, the same answer twice."""
    conn.sendall(2 * server.service.answer(request))
    return True

