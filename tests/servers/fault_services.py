# SPDX-License-Identifier: Apache-2.0
"""What the fault server answers when nothing is wrong: as much of each key
server as a provider asks for.  The proof that the providers understand the real
ones is not here: these are measured by the same cases as those.

operation(request) is "token", "describe", "wrap", "unwrap" or "other";
answer(request, secret=None) the bytes of the answer (SECRET in place of what was
wrapped); secret_text(d) the text of the secret in an answer;
refusal(name) the service's own error; config(port, tls) lines of cmkfs.conf;
secrets the texts that nobody but the service may ever see.
"""
import base64
import copy
import json
import os
import re
import secrets
import time
import urllib.parse

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from azure_world import CLIENT, Refused, World, b64 as url64
from fault import Service, http, http_date
from fault_kmip import Kmip, Kmip21


def b64(data):
    return base64.b64encode(data).decode()


class Sealer(Service):
    """Wraps by AES-GCM under a key of this process."""
    def __init__(self):
        self.key = AESGCM(os.urandom(32))

    def wrap(self, secret, aad):
        nonce = os.urandom(12)
        return nonce + self.key.encrypt(nonce, secret, aad)

    def unwrap(self, text, aad):
        """None where it has been tampered with, or is of another zone."""
        try:
            blob = base64.b64decode(text, validate=True)
            return self.key.decrypt(blob[:12], blob[12:], aad)
        except (InvalidTag, ValueError):
            return None


class Aws(Sealer):
    name = "aws"
    key_id = "1234abcd-12ab-34cd-56ef-1234567890ab"
    arn = "arn:aws:kms:eu-west-1:111122223333:key/" + key_id
    refusals = {
        "denied": (400, "AccessDeniedException"), "disabled": (400, "DisabledException"),
        "deleting": (400, "KMSInvalidStateException"), "gone": (400, "NotFoundException"),
        "ciphertext": (400, "InvalidCiphertextException"),
        "expired": (400, "ExpiredTokenException"), "throttled": (400, "ThrottlingException"),
        "skewed": (403, "RequestTimeTooSkewed"), "login": (400, "InvalidIdentityToken"),
    }

    def __init__(self):
        super().__init__()
        self.web_identity = "web-identity-" + os.urandom(12).hex()
        self.secret_key = "secret/key" + os.urandom(15).hex()
        self.session = "session-" + os.urandom(200).hex()
        self.secrets = [self.web_identity, self.secret_key, self.session]
        self.lifetime = 7200

    def config(self, port, tls, home):
        with open(home + "/token", "w") as f:
            f.write(self.web_identity + "\n")
        return ("[aws]\ncredentials = web-identity\n"
                "role-arn = arn:aws:iam::111122223333:role/cmkfs\n"
                f"web-identity-token-file = {home}/token\n"
                f"sts-endpoint = https://127.0.0.1:{port}/\nca-file = {tls}/ca.pem\n")

    def uri(self, port):
        return f"awskms://127.0.0.1:{port}/{self.arn}"

    def operation(self, request):
        target = request.headers.get("x-amz-target", "")
        names = {"TrentService.DescribeKey": "describe", "TrentService.Encrypt": "wrap",
                 "TrentService.Decrypt": "unwrap"}
        if b"Action=AssumeRoleWithWebIdentity" in request.body:
            return "token"
        return names.get(target, "other")

    def login(self, request):
        form = urllib.parse.parse_qs(request.body.decode())
        if form["WebIdentityToken"] != [self.web_identity]:
            return http(400, b"<ErrorResponse><Error><Code>InvalidIdentityToken</Code>"
                        b"</Error></ErrorResponse>", {"Content-Type": "text/xml"})
        end = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + self.lifetime))
        xml = ("<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>"
               f"<AccessKeyId>ASIATESTKEY</AccessKeyId><SecretAccessKey>{self.secret_key}"
               f"</SecretAccessKey><SessionToken>{self.session}</SessionToken>"
               f"<Expiration>{end}</Expiration></Credentials>"
               "</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>")
        return http(200, xml.encode(), {"Content-Type": "text/xml"})

    def answer(self, request, secret=None):
        operation = self.operation(request)
        if operation == "token":
            return self.login(request)
        if (request.headers.get("x-amz-security-token") != self.session or
                "Credential=ASIATESTKEY/" not in request.headers.get("authorization", "")):
            return self.refusal("expired")
        d = request.json()
        aad = json.dumps(d.get("EncryptionContext"), sort_keys=True).encode()
        if operation == "describe":
            return self.reply({"KeyMetadata": {
                "Arn": self.arn, "KeyId": self.key_id, "AWSAccountId": "111122223333",
                "Enabled": True, "KeyState": "Enabled", "KeySpec": "SYMMETRIC_DEFAULT",
                "KeyUsage": "ENCRYPT_DECRYPT", "Origin": "AWS_KMS", "KeyManager": "CUSTOMER",
                "MultiRegion": False}})
        if operation == "wrap":
            blob = self.wrap(base64.b64decode(d["Plaintext"]), aad)
            return self.reply({"KeyId": self.arn, "CiphertextBlob": b64(blob),
                               "EncryptionAlgorithm": "SYMMETRIC_DEFAULT"})
        if operation == "unwrap":
            plain = self.unwrap(d["CiphertextBlob"], aad)
            if plain is None:
                return self.refusal("ciphertext")
            return self.reply({"KeyId": self.arn, "Plaintext": b64(plain if secret is None else secret),
                               "EncryptionAlgorithm": "SYMMETRIC_DEFAULT"})
        return self.reply({"__type": "UnknownOperationException"}, 400)

    def reply(self, d, status=200):
        return http(status, json.dumps(d).encode(), {
            "Content-Type": "application/x-amz-json-1.1", "Date": http_date(time.time())})

    def secret_text(self, d):
        return d["Plaintext"]

    def refusal(self, name):
        status, kind = self.refusals[name]
        return self.reply({"__type": kind, "message": "by script"}, status)


class Vault(Sealer):
    name = "vault"
    refusals = {
        "denied": (403, "1 error occurred:\n\t* permission denied\n\n"),
        "disabled": (400, "refusing to use soft-deleted key"),
        "gone": (400, "encryption key not found"),
        "ciphertext": (400, "cipher: message authentication failed"),
        "expired": (403, "permission denied"), "throttled": (429, "request path is rate limited"),
        "login": (400, "invalid role or secret ID"),
    }

    def __init__(self):
        super().__init__()
        self.secret_id = "secret-id-" + os.urandom(12).hex()
        self.token = "hvs." + os.urandom(40).hex()
        self.secrets = [self.secret_id, self.token]

    def config(self, port, tls, home):
        with open(home + "/secret-id", "w") as f:
            f.write(self.secret_id + "\n")
        os.chmod(f.name, 0o600)
        return (f"[vault]\naddress = https://127.0.0.1:{port}\nauth = approle\nrole-id = role\n"
                f"secret-id-file = {home}/secret-id\nca-file = {tls}/ca.pem\n")

    def uri(self, port):
        return f"hashivault://127.0.0.1:{port}/transit/keys/k"

    def operation(self, request):
        p = request.path
        if p.startswith("/v1/auth/"):
            return "token"
        m = re.fullmatch(r"/v1/transit/(keys|encrypt|decrypt)/k(\?.*)?", p)
        names = {"keys": "describe", "encrypt": "wrap", "decrypt": "unwrap"}
        return names[m[1]] if m else "other"

    def answer(self, request, secret=None):
        operation = self.operation(request)
        if operation == "token":
            if self.secret_id not in request.body.decode():
                return self.reply({"errors": ["invalid role or secret ID"]}, 400)
            return self.reply({"auth": {"client_token": self.token, "lease_duration": 3600,
                                        "renewable": True, "policies": ["p"]}})
        if request.headers.get("x-vault-token") != self.token:
            return self.refusal("expired")
        if operation == "describe":
            return self.data({
                "type": "aes256-gcm96", "name": "k", "keys": {"1": 1700000000},
                "latest_version": 1, "min_decryption_version": 1, "min_encryption_version": 0,
                "min_available_version": 0, "deletion_allowed": False, "exportable": False,
                "allow_plaintext_backup": False, "derived": False, "supports_encryption": True,
                "supports_decryption": True, "supports_derivation": True,
                "supports_signing": False, "imported_key": False, "soft_deleted": False})
        if operation == "wrap":
            d = request.json()
            blob = self.wrap(base64.b64decode(d["plaintext"]),
                             d.get("associated_data", "").encode())
            return self.data({"ciphertext": "vault:v1:" + b64(blob), "key_version": 1})
        if operation == "unwrap":
            d = request.json()
            plain = self.unwrap(d["ciphertext"].split(":")[2],
                                d.get("associated_data", "").encode())
            if plain is None:
                return self.refusal("ciphertext")
            return self.data({"plaintext": b64(plain if secret is None else secret)})
        if request.path == "/v1/sys/capabilities-self":
            return self.data({p: ["read", "update"] for p in request.json()["paths"]})
        return self.reply({"errors": []}, 404)

    def reply(self, d, status=200):
        return http(status, json.dumps(d).encode())

    def data(self, d):
        return self.reply({"request_id": "r", "lease_id": "", "renewable": False,
                           "lease_duration": 0, "data": d, "wrap_info": None,
                           "warnings": None, "auth": None})

    def secret_text(self, d):
        return d["data"]["plaintext"]

    def refusal(self, name):
        status, message = self.refusals[name]
        return self.reply({"errors": [message]}, status)


class Azure(Service):
    name = "azure"
    refusals = {
        "denied": (403, "Forbidden", "does not have keys permission", "ForbiddenByPolicy"),
        "disabled": (403, "Forbidden", "not allowed on a disabled key", "KeyDisabled"),
        "gone": (404, "KeyNotFound", "was not found in this key vault", None),
        "ciphertext": (400, "BadParameter", "The parameter is incorrect.", None),
        "throttled": (429, "Throttled", "too many requests", None),
        "expired": (401, "Unauthorized", "AKV10000: Error validating token", None),
    }
    base = "https://prod.vault.azure.net"

    def __init__(self):
        self.world = World("/nonexistent")
        self.world.s = copy.deepcopy(World.DEFAULTS)
        self.world.create("k")
        self.password = "client-secret-" + secrets.token_hex(12)
        self.token = self.world.token_for(CLIENT)
        self.secrets = [self.password, self.token]

    def config(self, port, tls, home):
        with open(home + "/secret", "w") as f:
            f.write(self.password + "\n")
        os.chmod(f.name, 0o600)
        return (f"[azure]\nidentity = secret\nclient-id = {CLIENT}\nclient-secret-file = {f.name}\n"
                f"ca-file = {tls}/ca.pem\nconnect-to = 127.0.0.1:{port}\n")

    def uri(self, port):
        return self.base + "/keys/k"

    def operation(self, request):
        path = request.path.split("?")[0].lower()
        if path.endswith("/oauth2/v2.0/token"):
            return "token"
        if not path.startswith("/keys/"):
            return "other"
        if "authorization" not in request.headers:
            return "challenge"
        return {"wrapkey": "wrap", "unwrapkey": "unwrap"}.get(path.split("/")[-1], "describe")

    def answer(self, request, secret=None):
        operation = self.operation(request)
        if operation == "token":
            form = urllib.parse.parse_qs(request.body.decode())
            if form.get("client_secret") != [self.password]:
                return self.reply(401, {"error": "invalid_client"})
            return self.reply(200, {"access_token": self.token, "token_type": "Bearer",
                                    "expires_in": 3600})
        try:
            return self.reply(200, self.vault(operation, request, secret))
        except Refused as r:
            return self.reply(r.status, r.body, r.headers)

    def vault(self, operation, request, secret):
        rights = {"wrap": "wrapKey", "unwrap": "unwrapKey"}
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        self.world.enter(token, rights.get(operation, "get"))
        parts = request.path.split("?")[0].split("/")
        version = self.world.find("k", None)
        if operation not in rights:
            return self.world.bundle(self.base, parts[2], version)
        d = self.world.use(self.base, "k", version, rights[operation], request.json())
        if operation == "unwrap" and secret is not None:
            d["value"] = url64(secret)
        return d

    def reply(self, status, d, headers=None):
        return http(status, json.dumps(d).encode(), headers)

    def secret_text(self, d):
        return d["value"]

    def refusal(self, name):
        if name == "login":
            return self.reply(401, {"error": "invalid_client", "error_description": "AADSTS7000215"})
        status, code, message, inner = self.refusals[name]
        r = Refused(status, code, message, inner)
        return self.reply(status, r.body, {"WWW-Authenticate": (
            f'Bearer authorization="https://login.windows.net/{self.world.s["tenant"]}", '
            'resource="https://vault.azure.net"')} if status == 401 else None)


SERVICES = {s.name: s for s in (Azure, Vault, Aws, Kmip, Kmip21)}
