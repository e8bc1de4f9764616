#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""PyKMIP's server, which can be told to be busy: kmip_server.py FILE ARGUMENT…

FILE, while it is there, names an operation, or is ALL: it is answered by Server
Limit Exceeded, which PyKMIP by itself never says.  In the log is also by which
version of the protocol it was asked.  The arguments are those of pykmip-server.
"""
import sys

from kmip.core import enums, exceptions
from kmip.services.server import server
from kmip.services.server.engine import KmipEngine

BUSY = sys.argv.pop(1)
process = KmipEngine._process_operation
set_version = KmipEngine._set_protocol_version


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


def tell_version(engine, version):
    engine._logger.info(f"Asked by version {version}")
    set_version(engine, version)


KmipEngine._process_operation = process_unless_busy
KmipEngine._set_protocol_version = tell_version
server.main()
