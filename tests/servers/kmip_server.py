#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""PyKMIP's server, which can be told to be busy: kmip_server.py FILE ARGUMENT…

FILE, while it is there, names an operation, or is ALL: it is answered by Server
Limit Exceeded, which PyKMIP by itself never says.  The arguments are those of
pykmip-server.
"""
import sys

from kmip.core import enums, exceptions
from kmip.services.server import server
from kmip.services.server.engine import KmipEngine

BUSY = sys.argv.pop(1)
process = KmipEngine._process_operation


def is_busy(operation):
    try:
        with open(BUSY) as f:
            return f.read().strip() in ("ALL", operation.name)
    except FileNotFoundError:
        return False


def process_unless_busy(engine, operation, payload):
    if is_busy(operation):
        raise exceptions.KmipError(reason=enums.ResultReason.SERVER_LIMIT_EXCEEDED,
                                   message="Busy.")
    return process(engine, operation, payload)


KmipEngine._process_operation = process_unless_busy
server.main()
