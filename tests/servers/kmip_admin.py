#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What an operator does at a KMIP server, for tests: kmip_admin.py PORT TLS-DIR VERB …

  make [BITS [POLICY]]        an AES key that is not active yet; prints its identifier
  activate UID     revoke UID compromised|ceased     destroy UID

It is PyKMIP's own client, as the owner of the certificate client.pem.
"""
import sys
import warnings

warnings.simplefilter("ignore")
from kmip.core import enums  # noqa: E402
from kmip.pie import client  # noqa: E402

REASONS = {
    "compromised": enums.RevocationReasonCode.KEY_COMPROMISE,
    "ceased": enums.RevocationReasonCode.CESSATION_OF_OPERATION,
}

def main():
    port, tls, verb = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    rest = sys.argv[4:]
    with client.ProxyKmipClient(hostname="127.0.0.1", port=port, cert=f"{tls}/client.pem",
                                key=f"{tls}/client.key", ca=f"{tls}/ca.pem",
                                ssl_version="PROTOCOL_TLSv1_2") as c:
        if verb == "make":
            bits = int(rest[0]) if rest else 256
            policy = rest[1] if rest[1:] else None
            print(c.create(enums.CryptographicAlgorithm.AES, bits, operation_policy_name=policy))
        elif verb == "activate":
            c.activate(rest[0])
        elif verb == "revoke":
            c.revoke(REASONS[rest[1]], rest[0])
        elif verb == "destroy":
            c.destroy(rest[0])
        else:
            sys.exit(f"no verb {verb}")


main()
