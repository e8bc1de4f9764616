#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the cases of key providers measured, as a table.

provider_table.py [--page|--check] DIR     DIR: logs of cases, provider-NAME[-…].log

A state of key, policy, identity or server; the errno that an application sees,
and how long after the change; the way back, and how long after it all is open
again.  --page puts the table into cmkfs-providers(7); --check says whether the
one there has the same rows but for the times, for the providers that were tried.
"""
import contextlib
import io
import pathlib
import re
import sys

PAGE = pathlib.Path(__file__).parents[2] / "man" / "cmkfs-providers.7"
BEGIN, END = '.\\" begin states\n', '.\\" end states\n'
PROVIDERS = ["azure", "vault", "aws", "pkcs11", "kmip"]

# What each way of tests/lib/provider.sh is, in the order of the table, and what undoes it.
STATES = {
    "key disabled": {
        "azure disable": "set-attributes --enabled true",
        "vault soft-delete": "soft-delete-restore",
        "aws disable": "enable-key",
        "kmip deactivated": "a copy of the server",
    },
    "key compromised": {"kmip compromised": "a copy of the server"},
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
    "credential over": {
        "azure credential": "a new token, by itself",
        "vault credential": "a new login, by itself",
        "aws credential": "a new session, by itself",
        "pkcs11 credential": "the new PIN in its file",
        "kmip credential": "the new certificate in its file",
    },
    "of another tenant, region": {
        f"{p} tenant": "a key of the volume's" for p in ("azure", "aws")
    },
    "throttled, grace": {f"{p} throttled": "the server" for p in PROVIDERS},
    "server sealed, grace": {"vault sealed": "the server"},
    "server silent, grace": {f"{p} silence": "the server" for p in PROVIDERS},
    "server gone, grace": {f"{p} absence": "the server" for p in PROVIDERS},
    "server silent, no grace": {f"{p} silent": "the server" for p in PROVIDERS},
    "server gone, no mount": {f"{p} gone": "the server" for p in PROVIDERS},
}
HEADINGS = ["STATE", "PROVIDER", "ERRNO", "AFTER", "WAY BACK", "AFTER"]

LOCKED = re.compile(r"^locked (\S+) (\S+) (\d+) ms$")
OPEN = re.compile(r"^open again (\S+) (\d+) ms$")
GOES_ON = re.compile(r"^goes on (\S+)$")
NOT_MOUNTED = re.compile(r"^not mounted (\S+) (\d+) ms$")
REFUSED = re.compile(r"^refused (\S+) (exit \d)$")


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
            elif m := NOT_MOUNTED.match(line):
                found[f"{provider} {m[1]}"] = ["exit 5", m[2], None]
            elif m := REFUSED.match(line):
                found[f"{provider} {m[1]}"] = [m[2], None, None]
            elif m := GOES_ON.match(line):
                found[f"{provider} {m[1]}"] = ["none", None, None]
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


def put_into_page(table):
    before, rest = PAGE.read_text().split(BEGIN)
    lines = io.StringIO()
    with contextlib.redirect_stdout(lines):
        mdoc(table)
    PAGE.write_text(before + BEGIN + lines.getvalue() + END + rest.split(END)[1])


def check_page(table):
    """Exit 1 if the page says another errno or way back, or lacks a row or has one too many."""
    lines = PAGE.read_text().split(BEGIN)[1].split(END)[0].splitlines()
    there = [line[4:].replace("Er ", "").split(" Ta ") for line in lines if line[:4] == ".It "][1:]
    tried = {r[1] for r in table[1:]}
    without_times = [{(r[0], r[1], r[2], r[4]) for r in rows if r[1] in tried}
                     for rows in (there, table[1:])]
    for row in sorted(without_times[0] ^ without_times[1]):
        print("only in", "the page:" if row in without_times[0] else "what was measured:", *row)
    sys.exit(without_times[0] != without_times[1])


def main():
    table = [HEADINGS, *rows(read(sys.argv[-1]))]
    if "--page" in sys.argv:
        put_into_page(table)
    elif "--check" in sys.argv:
        check_page(table)
    else:
        text(table)


main()
