#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A double of Azure Key Vault, of the sign-in service of Entra ID, and of the
endpoints that give a managed identity its tokens.

azure.py DIR CERT KEY

HTTPS on a free port of 127.0.0.1 (DIR/port) for the vault and for the sign-in,
told apart by their paths; http (DIR/metadata.port) for the metadata
endpoints.  What it knows is in azure_world.py and outlives it in DIR.  POST
/_control with a JSON object changes settings, and its answer holds counters.
"""
import base64
import hashlib
import json
import os
import ssl
import sys
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from azure_world import CLIENT, Refused, World, unb64

OPERATIONS = {o.lower(): o for o in ("wrapKey", "unwrapKey", "encrypt", "decrypt")}
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60

    def log_message(self, form, *args):
        sys.stderr.write("%.3f %s %s\n" % (time.time(), self.headers.get("Host"),
                                           (form % args).split("?")[0]))

    def answer(self, status, body=None, headers=()):
        data = body.encode() if isinstance(body, str) else json.dumps(body).encode() if body else b""
        self.send_response(status)
        for name, value in dict(headers).items():
            self.send_header(name, value)
        if body is not None:
            self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def handle_any(self):
        data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        url = urllib.parse.urlsplit(self.path)
        parts = [urllib.parse.unquote(p) for p in url.path.split("/") if p]
        query = dict(urllib.parse.parse_qsl(url.query))
        world = self.server.world
        try:
            with world.lock:
                self.answer(*self.route(world, parts, query, data))
        except Refused as r:
            self.answer(r.status, r.body, r.headers)
        except (ValueError, KeyError, TypeError) as e:
            self.answer(400, {"error": {"code": "BadParameter", "message": repr(e)}})

    do_GET = do_POST = do_PATCH = do_DELETE = do_PUT = handle_any


class Metadata(Handler):
    """IMDS, App Service, Arc."""

    def route(self, world, parts, query, data):
        del data
        world.calls["metadata"] = world.calls.get("metadata", 0) + 1
        if "resource" not in query or "api-version" not in query:
            return 400, {"error": "invalid_request", "error_description": "Required parameter"}
        if parts[0] == "arc":
            if self.headers.get("Metadata") != "true":
                return 400, {"error": "invalid_request"}
            if self.headers.get("Authorization") != "Basic " + world.s["arc_key"]:
                return 401, {"error": "unauthorized_client"}, {
                    "Www-Authenticate": "Basic realm=" + query.get("test", world.s.get("arc_file", ""))}
            return self.token(world, query, numbers=False)
        if parts[0] == "msi":
            if self.headers.get("X-IDENTITY-HEADER") != "header-of-the-run":
                return 401, {"statusCode": 401, "message": "unauthorized"}
            return self.token(world, query, numbers=False, absolute=True)
        if self.headers.get("Metadata") != "true" or self.headers.get("X-Forwarded-For"):
            return 400, {"error": "bad_request_102", "error_description":
                         "Required metadata header not specified"}
        return self.token(world, query, numbers=False)

    def token(self, world, query, numbers, absolute=False):
        if not world.s["identity"]:
            return 400, {"error": "invalid_request", "error_description": "Identity not found"}
        if query["resource"] != world.s["resource"]:
            return 400, {"error": "invalid_resource", "error_description":
                         "AADSTS500011: The resource principal was not found in the tenant."}
        wanted = query.get("client_id") or query.get("mi_res_id") or query.get("msi_res_id")
        if wanted and wanted not in (CLIENT, "/subscriptions/s/mi"):
            return 400, {"error": "invalid_request", "error_description": "Identity not found"}
        return 200, token_body(world, query["resource"], numbers, absolute)


def token_body(world, resource, numbers, absolute=False):
    life = world.s["life"]
    body = {"access_token": world.token_for(CLIENT), "token_type": "Bearer", "resource": resource,
            "expires_in": life if numbers else str(life), "expires_on": str(int(time.time() + life))}
    if absolute:
        del body["expires_in"]
    return body


class Service(Handler):
    """The vault, and the sign-in."""

    def route(self, world, parts, query, data):
        if parts == ["_control"]:
            return self.control(world, json.loads(data))
        if parts[1:] == ["oauth2", "v2.0", "token"]:
            return self.sign_in(world, parts[0], dict(urllib.parse.parse_qsl(data.decode())))
        if parts[1:] == ["v2.0", ".well-known", "openid-configuration"]:
            base = f"https://{self.headers['Host']}/{parts[0]}"
            return 200, {"token_endpoint": base + "/oauth2/v2.0/token", "issuer": base + "/v2.0",
                         "authorization_endpoint": base + "/oauth2/v2.0/authorize"}
        return self.vault(world, parts, query, json.loads(data or b"{}"))

    @staticmethod
    def control(world, change):
        create = change.pop("create", None)
        world.s.update(change)
        if create:
            world.create(**create)
        world.save()
        return 200, {"calls": world.calls, "unwraps": world.unwraps,
                     "tokens": [t for t in world.tokens if t != "operator"]}

    # ---- sign-in -------------------------------------------------------------------

    def sign_in(self, world, tenant, form):
        world.calls["sign-in"] = world.calls.get("sign-in", 0) + 1
        if tenant != world.s["tenant"]:
            return 400, {"error": "invalid_tenant", "error_description": "AADSTS90002: not found"}
        if form.get("grant_type") != "client_credentials" or not form.get("scope", "").endswith(
                "/.default"):
            return 400, {"error": "invalid_request", "error_description": "AADSTS900144"}
        if form["scope"] != world.s["resource"] + "/.default":
            return 400, {"error": "invalid_resource", "error_description":
                         "AADSTS500011: The resource principal was not found in the tenant."}
        known = world.s["identity"] and form.get("client_id") == CLIENT
        secret = form.get("client_secret")
        if known and (secret == world.s["secret"] if secret else self.asserted(world, form)):
            return 200, token_body(world, form["scope"], numbers=True)
        return 401, {"error": "invalid_client", "error_description":
                     "AADSTS7000215: Invalid client secret provided.", "error_codes": [7000215]}

    def asserted(self, world, form):
        jwt = form.get("client_assertion", "")
        if form.get("client_assertion_type") != ASSERTION or jwt.count(".") != 2:
            return False
        if world.s["federated"] and jwt == world.s["federated"]:
            return True
        head, claims = (json.loads(unb64(p)) for p in jwt.split(".")[:2])
        return self.signed(world, jwt, head) and self.claimed(world, claims)

    @staticmethod
    def signed(world, jwt, head):
        if not world.s["certificate"]:
            return False
        with open(world.s["certificate"], "rb") as f:
            cert = x509.load_pem_x509_certificate(f.read())
        thumb = base64.urlsafe_b64encode(cert.fingerprint(hashes.SHA256())).rstrip(b"=").decode()
        old = base64.urlsafe_b64encode(cert.fingerprint(hashes.SHA1())).rstrip(b"=").decode()
        schemes = {"PS256": padding.PSS(padding.MGF1(hashes.SHA256()), hashlib.sha256().digest_size),
                   "RS256": padding.PKCS1v15()}
        if head.get("x5t#S256") != thumb and head.get("x5t", "").rstrip("=") != old:
            return False
        text, signature = jwt.rsplit(".", 1)
        try:
            cert.public_key().verify(unb64(signature), text.encode(), schemes[head["alg"]],
                                     hashes.SHA256())
        except InvalidSignature:
            return False
        return True

    def claimed(self, world, claims):
        now = time.time()
        url = f"https://{self.headers['Host']}{self.path}"
        return claims["aud"] == url and claims["iss"] == claims["sub"] == CLIENT and \
            claims.get("nbf", 0) <= now + 5 and now < claims["exp"] <= now + 86400 and claims["jti"]

    # ---- vault -----------------------------------------------------------------------

    def vault(self, world, parts, query, body):
        name = parts[0] + ("." + parts[-1] if self.command == "POST" else "")
        world.calls[name.lower()] = world.calls.get(name.lower(), 0) + 1
        world.calls["all"] = world.calls.get("all", 0) + 1
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        if name.lower() in world.s["answers"] and token not in ("", "operator"):
            return world.s["answers"][name.lower()]
        if world.s["throttle"] and token != "operator":
            raise Refused(429, "Throttled", "Request was not processed because too many requests "
                          "were received.", headers={"Retry-After": world.s["retry_after"]}
                          if world.s["retry_after"] else {})
        if "api-version" not in query:
            raise Refused(400, "BadParameter", "The request URI does not contain api-version.")
        self.base = f"https://{self.headers['Host']}"
        out = self.act(world, token, parts, body)
        if self.command != "GET":
            world.save()
        return out

    def act(self, world, token, parts, body):
        verb, kind, rest = self.command, parts[0], parts[1:]
        if kind == "keys" and verb == "GET":
            world.enter(token, "get")
            return 200, world.bundle(self.base, rest[0], world.find(rest[0], (rest + [None])[1]))
        if kind == "keys" and verb == "POST":
            return self.post(world, token, rest, body)
        if kind == "keys" and verb == "PATCH":
            world.enter(token, "update")
            v = world.find(rest[0], (rest + [None])[1])
            v.update(body.get("attributes", {}), updated=int(time.time()))
            v["ops"] = body.get("key_ops", v["ops"])
            return 200, world.bundle(self.base, rest[0], v)
        if kind == "keys" and verb == "DELETE":
            world.enter(token, "delete")
            return 200, world.delete(self.base, rest[0])
        return self.deleted_keys(world, token, rest)

    def post(self, world, token, rest, body):
        name, what = rest[0], rest[-1].lower()
        if what in ("create", "rotate"):
            world.enter(token, what)
            size = body.get("key_size", 2048)
            old = world.find(name, None) if what == "rotate" else {}
            v = world.create(name, size, body.get("kty", old.get("kty", "RSA")), body.get("key_ops"),
                             body.get("attributes"))
            return 200, world.bundle(self.base, name, v)
        operation = OPERATIONS[what]
        world.enter(token, operation)
        v = world.find(name, rest[1] if len(rest) == 3 else None)
        return 200, world.use(self.base, name, v, operation, body)

    def deleted_keys(self, world, token, rest):
        verb, name = self.command, rest[0]
        if verb == "POST" and rest[1:] == ["recover"]:
            world.enter(token, "recover")
            return 200, world.recover(self.base, name)
        if verb == "DELETE":
            world.enter(token, "purge")
            world.purge(name)
            return 204, None
        world.enter(token, "get")
        return 200, world.poll_deleted(self.base, name)


def serve(handler, world, where, name, context=None):
    """Listens on the port of the last time, if there was one."""
    server = ThreadingHTTPServer(("127.0.0.1", world.s.get(name, 0)), handler)
    server.daemon_threads = True
    server.world = world
    world.s[name] = server.server_port
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True,
                                            do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with open(f"{where}/{name}.new", "w", encoding="ascii") as f:
        f.write(f"{server.server_port}\n")
    os.rename(f"{where}/{name}.new", f"{where}/{name}")


def main():
    where, cert, key = sys.argv[1:4]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    world = World(where)
    serve(Metadata, world, where, "metadata.port")
    serve(Service, world, where, "port", context)
    world.save()
    threading.Event().wait()


main()
