#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""As much of a Kubernetes API server as logins by service accounts need:
kubernetes.py DIR CERT KEY.

It speaks TLS on a free port of 127.0.0.1, which it writes to DIR/port, gives
tokens of service accounts (TokenRequest), says whose a token is (TokenReview),
and makes and deletes the accounts.  Who asks shows a token as well: the one in
DIR/admin may do all, one of an account `reviewer` may review, others nothing.  A
token holds as long as its account, by the account's uid, and as its time is not
over.
"""
import base64
import http.server
import json
import os
import re
import ssl
import sys
import threading
import time
import uuid

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

ISSUER = "https://kubernetes.default.svc.cluster.local"
ACCOUNTS = "/api/v1/namespaces/([a-z0-9-]+)/serviceaccounts"


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class Cluster:
    def __init__(self):
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.admin = b64(os.urandom(24))
        self.accounts = {}  # (namespace, name): uid
        self.reviews = 0
        self.lock = threading.Lock()

    def token(self, namespace, name, audiences, seconds):
        now = int(time.time())
        claims = {"iss": ISSUER, "aud": audiences, "iat": now, "nbf": now, "exp": now + seconds,
                  "sub": f"system:serviceaccount:{namespace}:{name}", "kubernetes.io": {
                      "namespace": namespace, "serviceaccount": {
                          "name": name, "uid": self.accounts[namespace, name]}}}
        text = ".".join(b64(json.dumps(part).encode()) for part in (
            {"alg": "RS256", "kid": "1", "typ": "JWT"}, claims))
        return text + "." + b64(self.key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256()))

    def claims(self, token, audiences):
        """What TOKEN says, if it is one of this cluster, of now and for one of AUDIENCES."""
        try:
            text, signature = token.rsplit(".", 1)
            self.key.public_key().verify(unb64(signature), text.encode(), padding.PKCS1v15(),
                                         hashes.SHA256())
            claims = json.loads(unb64(text.split(".")[1]))
        except (InvalidSignature, ValueError):
            return None
        account = claims["kubernetes.io"]["serviceaccount"]
        there = self.accounts.get((claims["kubernetes.io"]["namespace"], account["name"]))
        good = (there == account["uid"] and claims["exp"] > time.time() and
                set(claims["aud"]) & set(audiences or [ISSUER]))
        return claims if good else None


class Refused(Exception):
    pass


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    cluster = Cluster()

    def log_message(self, format, *args):
        pass

    def answer(self, status, body):
        body = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def review(self, spec):
        audiences = spec.get("audiences") or [ISSUER]
        self.cluster.reviews += 1
        claims = self.cluster.claims(spec["token"], audiences)
        status = {"authenticated": False, "error": "invalid bearer token", "user": {}}
        if claims:
            of = claims["kubernetes.io"]
            status = {"authenticated": True,
                      "audiences": sorted(set(audiences) & set(claims["aud"])),
                      "user": {"username": claims["sub"], "uid": of["serviceaccount"]["uid"],
                               "groups": ["system:serviceaccounts", "system:authenticated",
                                          "system:serviceaccounts:" + of["namespace"]]}}
        return {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": spec,
                "status": status}

    def allowed(self, path):
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if token == self.cluster.admin:
            return True
        claims = self.cluster.claims(token, None)
        return claims and path.endswith("/tokenreviews") and claims["sub"].endswith(":reviewer")

    def act(self, body):
        path, accounts = self.path.split("?")[0], self.cluster.accounts
        if not self.allowed(path):
            raise Refused
        if self.command == "POST" and path == "/apis/authentication.k8s.io/v1/tokenreviews":
            return 201, self.review(body["spec"])
        if self.command == "POST" and (m := re.fullmatch(ACCOUNTS, path)):
            accounts[m[1], body["metadata"]["name"]] = str(uuid.uuid4())
            return 201, body
        if self.command == "DELETE" and (m := re.fullmatch(ACCOUNTS + "/([a-z0-9-]+)", path)):
            return 200, {"uid": accounts.pop((m[1], m[2]))}
        if self.command == "POST" and (m := re.fullmatch(ACCOUNTS + "/([a-z0-9-]+)/token", path)):
            spec = body["spec"]
            token = self.cluster.token(m[1], m[2], spec.get("audiences") or [ISSUER],
                                       spec.get("expirationSeconds", 3600))
            return 201, {"kind": "TokenRequest", "spec": spec, "status": {"token": token}}
        raise KeyError

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
        with self.cluster.lock:
            try:
                status, answer = self.act(body)
            except Refused:
                status, answer = 403, {"kind": "Status", "status": "Failure", "reason": "Forbidden",
                                       "code": 403, "message": "forbidden: by script"}
            except KeyError:
                status, answer = 404, {"kind": "Status", "status": "Failure", "reason": "NotFound",
                                       "code": 404, "message": "not found"}
        self.answer(status, answer)

    do_DELETE = do_POST


def main():
    directory, cert, key = sys.argv[1:]
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    server.socket = context.wrap_socket(server.socket, server_side=True,
                                        do_handshake_on_connect=False)
    with open(f"{directory}/admin", "w") as f:
        f.write(Handler.cluster.admin)
    with open(f"{directory}/port.new", "w") as f:
        f.write(str(server.server_address[1]))
    os.rename(f.name, f"{directory}/port")
    server.serve_forever()


main()
