# SPDX-License-Identifier: Apache-2.0
"""What the double of Azure Key Vault knows: keys and their versions, who may do
what, and the oddities of the live service that a client must survive.

Written from the documented contract (api-version 7.4):
 - a disabled key still wraps, and does not unwrap;
 - an expired or not yet valid key still unwraps, and does not wrap;
 - a deleted key is recoverable, and is not found meanwhile;
 - get, wrapKey and unwrapKey are rights of their own.
"""
import base64
import json
import os
import secrets
import threading
import time

from cryptography.exceptions import InvalidSignature  # noqa: F401 (for azure.py)
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

TENANT = "72f988bf-86f1-41af-91ab-2d7cd011db47"
CLIENT = "11111111-2222-3333-4444-555555555555"
OAEP_256 = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
ALGORITHMS = {"RSA-OAEP-256": OAEP_256, "RSA1_5": padding.PKCS1v15(),
              "RSA-OAEP": padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None)}
ALL_OPS = ["encrypt", "decrypt", "sign", "verify", "wrapKey", "unwrapKey"]
OPERATOR = ["get", "list", "create", "update", "delete", "recover", "purge", "rotate", "wrapKey",
            "unwrapKey", "encrypt", "decrypt"]


class Refused(Exception):
    def __init__(self, status, code, message, inner=None, headers=()):
        super().__init__(message)
        self.status, self.headers = status, dict(headers)
        self.body = {"error": {"code": code, "message": message}}
        if inner:
            self.body["error"]["innererror"] = {"code": inner}


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text):
    if not isinstance(text, str) or "=" in text:
        raise Refused(400, "BadParameter", "Property value is not base64url.")
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def number(n):
    return b64(n.to_bytes((n.bit_length() + 7) // 8, "big"))


class World:
    """Everything that is kept, in DIR/world.json; one lock around all."""

    DEFAULTS = {"keys": {}, "deleted": {}, "recovery": "Recoverable", "firewall": False,
                "throttle": 0, "retry_after": "1", "answers": {}, "tenant": TENANT,
                "resource": "https://vault.azure.net", "identity": True, "secret": "",
                "certificate": "", "federated": "", "arc_key": "", "life": 86400, "generation": 0,
                "policies": {CLIENT: ["get", "wrapKey", "unwrapKey"], "operator": OPERATOR}}

    def __init__(self, where):
        self.path = os.path.join(where, "world.json")
        self.lock = threading.RLock()
        self.calls = {}
        self.unwraps = 0
        self.tokens = {"operator": ("operator", 1 << 62, 0)}
        self.private = {}
        self.s = dict(self.DEFAULTS)
        if os.path.exists(self.path):
            with open(self.path, encoding="ascii") as f:
                self.s.update(json.load(f))

    def save(self):
        with open(self.path + ".new", "w", encoding="ascii") as f:
            json.dump(self.s, f)
        os.replace(self.path + ".new", self.path)

    # ---- who asks ----------------------------------------------------------------

    def token_for(self, who):
        token = "eyJ" + secrets.token_urlsafe(600)
        self.tokens[token] = (who, time.time() + self.s["life"], self.s["generation"])
        return token

    def enter(self, token, right):
        """The identity behind TOKEN, which must have RIGHT."""
        s = self.s
        who, ends, generation = self.tokens.get(token, (None, 0, 0))
        if not who or ends < time.time() or (who != "operator" and generation != s["generation"]):
            message = "Error validating token: 'S2S12005'." if token else \
                "Request is missing a Bearer or PoP token."
            raise Refused(401, "Unauthorized", "AKV10000: " + message, headers={
                "WWW-Authenticate": f'Bearer authorization="https://login.windows.net/{s["tenant"]}"'
                                    f', resource="{s["resource"]}"'})
        if who != "operator" and s["firewall"]:
            raise Refused(403, "Forbidden", "Client address (127.0.0.1) is not authorized and "
                          "caller is not a trusted service", "ForbiddenByFirewall")
        if right not in s["policies"].get(who, []):
            raise Refused(403, "Forbidden", f"The user, group or application 'appid={who};"
                          f"oid={who};iss=https://sts.windows.net/{s['tenant']}/' does not have keys "
                          f"{right} permission on key vault 'prod;location=westeurope'. For help "
                          "resolving this issue, please see https://go.microsoft.com/fwlink/"
                          "?linkid=2125287", "ForbiddenByPolicy")
        return who

    # ---- keys ----------------------------------------------------------------------

    def create(self, name, size=2048, kty="RSA", ops=None, attributes=None):
        if name in self.s["deleted"]:
            raise Refused(409, "Conflict", f"Key {name} is currently in a deleted but recoverable "
                          "state, and its name cannot be reused.", "ObjectIsDeletedButRecoverable")
        private = rsa.generate_private_key(65537, size)
        now = int(time.time())
        version = {"id": secrets.token_hex(16), "kty": kty, "ops": ops or ALL_OPS, "created": now,
                   "updated": now, "enabled": True, "pem": private.private_bytes(
                       serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                       serialization.NoEncryption()).decode()}
        version.update(attributes or {})
        self.s["keys"].setdefault(name, []).append(version)
        return version

    def find(self, name, version):
        for v in reversed(self.s["keys"].get(name, [])):
            if not version or v["id"] == version:
                return v
        raise Refused(404, "KeyNotFound", f"A key with (name/id) {name}/{version or ''} was not "
                      "found in this key vault. If you recently deleted this key you may be able "
                      "to recover it using the correct recovery command.")

    def key_of(self, v):
        if v["id"] not in self.private:
            self.private[v["id"]] = serialization.load_pem_private_key(v["pem"].encode(), None)
        return self.private[v["id"]]

    def bundle(self, base, name, v):
        public = self.key_of(v).public_key().public_numbers()
        attributes = {k: v[k] for k in ("enabled", "nbf", "exp", "created", "updated")
                      if v.get(k) is not None}
        attributes["recoveryLevel"] = self.s["recovery"]
        attributes["recoverableDays"] = 90
        return {"key": {"kid": f"{base}/keys/{name}/{v['id']}", "kty": v["kty"],
                        "key_ops": v["ops"], "n": number(public.n), "e": number(public.e)},
                "attributes": attributes, "tags": {}}

    def use(self, base, name, v, operation, body):
        """wrapKey, unwrapKey, encrypt, decrypt."""
        private = operation in ("unwrapKey", "decrypt")
        now = time.time()
        if operation not in v["ops"]:
            raise Refused(403, "Forbidden", f"Operation {operation} is not permitted on this key.",
                          "KeyOperationForbidden")
        if private and not v["enabled"]:
            raise Refused(403, "Forbidden", f"Operation {operation} is not allowed on a disabled "
                          "key.", "KeyDisabled")
        if not private and v.get("exp") and v["exp"] <= now:
            raise Refused(403, "Forbidden", f"Operation {operation} is not allowed on an expired "
                          "key.", "KeyExpired")
        if not private and v.get("nbf") and v["nbf"] > now:
            raise Refused(403, "Forbidden", f"Operation {operation} is not allowed on a key that is "
                          "not yet valid.", "KeyNotYetValid")
        scheme = ALGORITHMS.get(body.get("alg"))
        if not scheme:
            raise Refused(400, "BadParameter", "Property alg has invalid value.")
        value = unb64(body.get("value"))
        try:
            out = self.key_of(v).decrypt(value, scheme) if private else \
                self.key_of(v).public_key().encrypt(value, scheme)
        except ValueError as e:
            raise Refused(400, "BadParameter", "The parameter is incorrect.\r\n") from e
        self.unwraps += private
        return {"kid": f"{base}/keys/{name}/{v['id']}", "value": b64(out)}

    # ---- deleting --------------------------------------------------------------------

    def delete(self, base, name):
        self.find(name, None)
        now = int(time.time())
        self.s["deleted"][name] = {"versions": self.s["keys"].pop(name), "at": now, "polls": 0}
        return self.deleted_bundle(base, name)

    def deleted_bundle(self, base, name):
        d = self.s["deleted"][name]
        out = self.bundle(base, name, d["versions"][-1])
        out.update(recoveryId=f"{base}/deletedkeys/{name}", deletedDate=d["at"],
                   scheduledPurgeDate=d["at"] + 90 * 86400)
        return out

    def deleted(self, name):
        if name not in self.s["deleted"]:
            raise Refused(404, "KeyNotFound", f"Deleted Key not found: {name}")
        return self.s["deleted"][name]

    def poll_deleted(self, base, name):
        d = self.deleted(name)
        d["polls"] += 1
        if d["polls"] == 1:  # deleting takes a while
            raise Refused(404, "KeyNotFound", f"Deleted Key not found: {name}")
        return self.deleted_bundle(base, name)

    def recover(self, base, name):
        self.s["keys"][name] = self.deleted(name)["versions"]
        del self.s["deleted"][name]
        return self.bundle(base, name, self.s["keys"][name][-1])

    def purge(self, name):
        self.deleted(name)
        if "Purgeable" not in self.s["recovery"]:
            raise Refused(403, "Forbidden", "Operation \"purge\" is not enabled for this vault.",
                          "ForbiddenByPurgeProtection")
        del self.s["deleted"][name]
