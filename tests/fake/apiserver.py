#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""An API server that does what a test tells it: HTTPS on loopback, answers by
path, everything that came is kept."""
import base64
import http.server
import json
import os
import socketserver
import ssl
import subprocess
import threading


def jwt(**claims):
    """A token that nobody signed."""
    def part(value):
        return base64.urlsafe_b64encode(
            json.dumps(value).encode()).decode().rstrip("=")
    return f"{part({'alg': 'none'})}.{part(claims)}.c2ln"


def own_token(ns="nodeseal-system", name="nodeseal"):
    return jwt(sub=f"system:serviceaccount:{ns}:{name}", exp=4102444800,
               aud=["https://kubernetes.default.svc"],
               **{"kubernetes.io": {"node": {"name": "n1", "uid": "u-n1"}}})


def status(code, message, **more):
    return code, {"kind": "Status", "apiVersion": "v1", "status": "Failure",
                  "message": message, "code": code, **more}


def secret(name, ns="shop", **data):
    return {"kind": "Secret", "apiVersion": "v1",
            "metadata": {"name": name, "namespace": ns, "uid": f"u-{name}",
                         "resourceVersion": "7"},
            "data": {k: base64.b64encode(v.encode()).decode()
                     for k, v in data.items()}}


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        """A client that goes away is nobody's fault."""


class Kube:
    """with Kube(folder) as k: k.answers[(method, path)] = …

    An answer is (code, object), (code, object, headers), bytes to be sent as
    they are before the connection is closed, or a function of (path, body)
    that gives one; a list of answers gives one after another, the last for
    good."""

    def __init__(self, folder, name="127.0.0.1"):
        self.folder = folder
        self.answers = {}
        self.requests = []
        self.lock = threading.Lock()
        self.cert, self.key = f"{folder}/kube.crt", f"{folder}/kube.key"
        san = f"IP:{name}" if name[0].isdigit() else f"DNS:{name}"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
             "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-keyout",
             self.key, "-out", self.cert, "-subj", "/CN=kube",
             "-addext", f"subjectAltName={san}"], check=True,
            capture_output=True)

    def __enter__(self):
        kube = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args):
                pass

            def serve(self):
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length)
                kube.answer(self, body)

            do_GET = do_POST = do_PATCH = do_DELETE = serve

        self.server = Server(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.cert, self.key)
        self.server.socket = context.wrap_socket(self.server.socket,
                                                 server_side=True)
        self.port = self.server.server_address[1]
        self.url = f"https://127.0.0.1:{self.port}"
        threading.Thread(target=self.server.serve_forever,
                         daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def ca(self):
        with open(self.cert, encoding="utf-8") as f:
            return f.read()

    def account(self, token=None):
        """A folder as a pod has it."""
        folder = f"{self.folder}/account"
        os.makedirs(folder, exist_ok=True)
        for name, text in (("token", token or own_token()),
                           ("ca.crt", self.ca()),
                           ("namespace", "nodeseal-system")):
            with open(f"{folder}/{name}", "w", encoding="utf-8") as f:
                f.write(text)
        return folder

    def find(self, method, path):
        with self.lock:
            found = self.answers.get((method, path))
            if isinstance(found, list):
                found = found.pop(0) if len(found) > 1 else found[0]
        return found

    def answer(self, handler, body):
        path = handler.path.split("?")[0]
        with self.lock:
            self.requests.append((handler.command, handler.path,
                                  dict(handler.headers), body))
        found = self.find(handler.command, path)
        if callable(found):
            found = found(handler.path, body)
        if found is None:
            found = status(404, f"{path} not found")
        if isinstance(found, bytes):
            handler.wfile.write(found)
            handler.close_connection = True
            return
        text = json.dumps(found[1]).encode()
        handler.send_response(found[0])
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(text)))
        for name, value in (found[2] if len(found) > 2 else {}).items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(text)

    def asked(self, path):
        with self.lock:
            return [r for r in self.requests if r[1].split("?")[0] == path]
