#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The metadata endpoints of an EC2 instance (version 2) and of a container:
metadata.py DIR.

On a free port of 127.0.0.1, written to DIR/port, over plain HTTP as they are.
Gives DIR/credentials, if it is there, to whoever has a session, or the
authorization in DIR/authorization.  DIR/calls has a line for each request.
"""
import os
import secrets
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

WHERE = sys.argv[1]
ROLES = "/latest/meta-data/iam/security-credentials/"
sessions = set()


def content(name):
    try:
        with open(os.path.join(WHERE, name), "rb") as f:
            return f.read()
    except FileNotFoundError:
        return None


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def reply(self, status, body=b""):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        with open(os.path.join(WHERE, "calls"), "a") as f:
            f.write(f"{self.command} {self.path}\n")

    def do_PUT(self):
        ttl = self.headers.get("X-aws-ec2-metadata-token-ttl-seconds", "")
        if self.path != "/latest/api/token" or not ttl.isdigit():
            return self.reply(400)
        sessions.add(secrets.token_urlsafe(40))
        return self.reply(200, list(sessions)[-1].encode())

    def do_GET(self):
        found = content("credentials")
        if self.path == "/container":
            if self.headers.get("Authorization", "").encode() != content("authorization").strip():
                return self.reply(401)
        elif self.headers.get("X-aws-ec2-metadata-token") not in sessions:
            return self.reply(401)
        if not found:
            return self.reply(404, b"<html>Not Found</html>")
        if self.path == ROLES:
            return self.reply(200, b"cmkfs-role\n")
        if self.path in (ROLES + "cmkfs-role", "/container"):
            return self.reply(200, found)
        return self.reply(404)


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
with open(WHERE + "/port.new", "w") as port:
    port.write(f"{server.server_address[1]}\n")
os.rename(WHERE + "/port.new", WHERE + "/port")
server.serve_forever()
