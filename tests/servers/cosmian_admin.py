#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What an operator does at Cosmian KMS: cosmian_admin.py PORT HTTPS-PORT TLS-DIR VERB …

  make                        an AES key, which is active at once; prints its identifier
  revoke UID     destroy UID

As the owner of the certificate client.pem, by KMIP 2.1; what is revoked is so by
the server's JSON, which alone takes the name that its version 5.0.0 gives the reason.
"""
import http.client
import json
import socket
import ssl
import sys

import fault_kmip as k

CREATE, DESTROY = 0x01, 0x14


def ask(port, context, operation, payload):
    """The payload of the answer."""
    version = [[k.MAJOR, k.INTEGER, 2], [k.MINOR, k.INTEGER, 1]]
    message = [0x420078, k.STRUCTURE, [
        [0x420077, k.STRUCTURE, [[k.VERSION, k.STRUCTURE, version], [k.COUNT, k.INTEGER, 1]]],
        [k.BATCH_ITEM, k.STRUCTURE, [[k.OPERATION, k.ENUM, operation],
                                     [0x420079, k.STRUCTURE, payload]]]]]
    with context.wrap_socket(socket.create_connection(("127.0.0.1", port)),
                             server_hostname="localhost") as conn:
        conn.sendall(k.encode(message))
        (_, _, items), = k.decode(k.read_message(conn))
    item = k.find(items, k.BATCH_ITEM)
    if k.find(item, k.STATUS):
        sys.exit(f"refused: {k.find(item, k.WORDS)}")
    return k.find(item, k.PAYLOAD)


def revoke(port, context, uid):
    body = {"tag": "Revoke", "type": "Structure", "value": [
        {"tag": "UniqueIdentifier", "type": "TextString", "value": uid},
        {"tag": "RevocationReason", "type": "Structure", "value": [
            {"tag": "revocation_reason_code", "type": "Enumeration",
             "value": "CessationOfOperation"}]}]}
    conn = http.client.HTTPSConnection("localhost", port, context=context)
    conn.request("POST", "/kmip/2_1", json.dumps(body), {"Content-Type": "application/json"})
    answer = conn.getresponse()
    if answer.status != 200:
        sys.exit(f"refused: {answer.read()}")


def main():
    port, https, tls, verb = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]
    context = ssl.create_default_context(cafile=f"{tls}/ca.pem")
    context.load_cert_chain(f"{tls}/client.pem", f"{tls}/client.key")
    if verb == "make":
        wanted = [[k.ALGORITHM, k.ENUM, 3], [k.LENGTH, k.INTEGER, 256], [k.USAGE, k.INTEGER, 0x0c]]
        print(k.find(ask(port, context, CREATE, [
            [k.OBJECT_TYPE, k.ENUM, 2], [k.ATTRIBUTES, k.STRUCTURE, wanted]]), k.UID).decode())
    elif verb == "revoke":
        revoke(https, context, sys.argv[5])
    elif verb == "destroy":
        ask(port, context, DESTROY, [[k.UID, k.TEXT, sys.argv[5]]])
    else:
        sys.exit(f"no verb {verb}")


main()
