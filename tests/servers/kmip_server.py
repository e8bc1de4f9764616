#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""PyKMIP's server, which can be told to do wrong: kmip_server.py FILE ARGUMENT…

FILE, while it is there, is a line "OPERATION WHAT"; the operation may be ALL.  busy: it is answered
by Server Limit Exceeded, which PyKMIP by itself never says; short, long, zero, wrong: what Decrypt
gives is of 31 or 33 bytes, all zeros, or altered.  The arguments are those of pykmip-server.
"""
import sys

from kmip.core import enums, exceptions
from kmip.services.server import server
from kmip.services.server.engine import KmipEngine

FAULT = sys.argv.pop(1)
WRONGS = {
    "short": lambda data: data[:-1],
    "long": lambda data: data + b"x",
    "zero": lambda data: bytes(len(data)),
    "wrong": lambda data: bytes([data[0] ^ 1]) + data[1:],
}
process = KmipEngine._process_operation


def fault_of(operation):
    try:
        with open(FAULT) as f:
            name, what = f.read().split()
    except FileNotFoundError:
        return None
    return what if name in ("ALL", operation.name) else None


def process_with_faults(engine, operation, payload):
    what = fault_of(operation)
    if what == "busy":
        raise exceptions.KmipError(reason=enums.ResultReason.SERVER_LIMIT_EXCEEDED,
                                   message="Busy.")
    answer = process(engine, operation, payload)
    if what:
        answer.data = WRONGS[what](answer.data)
    return answer


KmipEngine._process_operation = process_with_faults
server.main()
