#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the cases of key providers measured, as a table.

provider_table.py [--mdoc] DIR     DIR: logs of cases, provider-NAME[-…].log

A state of key, policy, identity or server; the errno that an application sees,
and how long after the change; the way back, and how long after it all is open
again.  With --mdoc as the table of cmkfs-providers(7).
"""
import pathlib
import re
import sys

PROVIDERS = ["azure", "vault", "aws", "pkcs11", "kmip"]

# What each way of tests/lib/provider.sh is, in the order of the table, and what undoes it.
STATES = {
    "key disabled": {
        "azure disable": "set-attributes --enabled true",
        "vault soft-delete": "soft-delete-restore",
        "aws disable": "enable-key",
        "kmip deactivated": "a copy of the server",
        "kmip compromised": "a copy of the server",
    },
    "version withdrawn": {"vault version": "lower min_decryption_version"},
    "key deleted": {
        "azure delete": "key recover",
        "aws delete": "cancel-key-deletion, enable-key",
        "pkcs11 deleted": "a backup of the token",
        "kmip destroyed": "a copy of the server",
    },
    "key expired": {"azure expire": "a later expiry", "pkcs11 expired": "a later CKA_END_DATE"},
    "key not yet valid": {"azure early": "an earlier not-before"},
    "unwrap not permitted": {
        "azure unwrap": "permission unwrapKey",
        "vault policy": "update on transit/decrypt",
        "pkcs11 forbidden": "CKA_DECRYPT",
        "kmip forbidden": "the right to Decrypt",
    },
    "no permission at all": {"azure policy": "get, wrapKey, unwrapKey"},
    "identity off": {
        "azure identity": "the identity",
        "vault role": "a new secret ID",
    },
    "protection taken away": {"vault deletion": "deletion_allowed=false"},
    "firewall": {"azure firewall": "trusted services, or off"},
    "vault gone": {"vault mount": "the mount"},
    "server silent, no grace": {f"{p} silent": "the server" for p in PROVIDERS},
    "server gone, no mount": {f"{p} gone": "the server" for p in PROVIDERS},
}
HEADINGS = ["STATE", "PROVIDER", "ERRNO", "AFTER", "WAY BACK", "AFTER"]

LOCKED = re.compile(r"^locked (\S+) (\S+) (\d+) ms$")
OPEN = re.compile(r"^open again (\S+) (\d+) ms$")
REFUSED = re.compile(r"^not mounted (\S+) (\d+) ms$")


def seconds(ms):
    return f"{int(ms) / 1000:.1f} s" if ms else "-"


def read(directory):
    """{"provider way": [errno, ms, ms until open]} of all logs."""
    found = {}
    for log in sorted(pathlib.Path(directory).glob("provider-*.log")):
        provider = log.stem.split("-")[1]
        for line in log.read_text(errors="replace").splitlines():
            if m := LOCKED.match(line):
                found[f"{provider} {m[1]}"] = [m[2], m[3], None]
            elif m := REFUSED.match(line):
                found[f"{provider} {m[1]}"] = ["exit 5", m[2], None]
            elif (m := OPEN.match(line)) and f"{provider} {m[1]}" in found:
                found[f"{provider} {m[1]}"][2] = m[2]
    return found


def rows(found):
    for state, ways in STATES.items():
        for way, back in ways.items():
            if way in found:
                errno, ms, again = found.pop(way)
                yield [state, way.split()[0], errno, seconds(ms), back, seconds(again)]
    for way, (errno, ms, again) in sorted(found.items()):  # of a provider that is new here
        provider, name = way.split()
        yield [name, provider, errno, seconds(ms), "-", seconds(again)]


def text(table):
    widths = [max(len(r[i]) for r in table) for i in range(len(HEADINGS))]
    for r in table:
        print("  ".join(c.ljust(w) for c, w in zip(r, widths)).rstrip())


def mdoc(table):
    widest = [max((r[i] for r in table), key=len) for i in range(len(HEADINGS))]
    print(".Bl -column " + " ".join(f'"{w}"' for w in widest))
    for i, r in enumerate(table):
        words = r
        if not i:
            words = [f"Sy {c}" for c in r]
        elif r[2].startswith("E"):
            words = r[:2] + [f"Er {r[2]}"] + r[3:]
        print(".It " + " Ta ".join(words))
    print(".El")


def main():
    table = [HEADINGS, *rows(read(sys.argv[-1]))]
    (mdoc if "--mdoc" in sys.argv else text)(table)


main()
