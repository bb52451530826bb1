#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A small look-alike of the Vault KV API, for the demo and for faults.

For what a real store does not produce on demand: slow, short, wrong, hostile
answers, and for a newcomer who has no real one at hand.  What it says
otherwise is what OpenBao 2.4 says (the scenarios against peers hold the
product to the real one).

usage: vault.py --port-file FILE [--port N] [--cert PEM --key PEM]
                [--client-ca PEM] [--log FILE] [--token TOKEN] [--bad-tls]
                [--hosts N]

Listens on 127.0.0.1, with --hosts on 127.0.0.2 … 127.0.0.N too, at the same
port; writes it into FILE when it listens.  --log: one
JSON object a request (method, path, namespace, status, connection, headers' names).
KV version 2 is at secret/, kv/ and team/secret/, version 1 at kv1/; any
namespace has its own.  --bad-tls: instead of a hand-shake, noise.

Control, on the same port, without a token:
  POST /_fake/put     {"mount","key","data"[,"namespace","metadata"]}
  POST /_fake/delete  {"mount","key"}
  POST /_fake/tag     {"mount","key","metadata"[,"namespace"]}
  POST /_fake/login   {"method","path","field": "value", …}: credentials that
                      auth/PATH/login takes, field by field
  POST /_fake/fault   {"kind", …} for what follows, "" ends it; kinds:
                      hang, drip, short, long, huge (bytes), redirect (to),
                      status (status[, retry_after, body]), empty, truncated,
                      reset, headers, informational, deep, wide, garbage;
                      "match": only paths that contain it; "times": N;
                      "host": this address instead of all
  GET  /_fake/tokens  every token so far, as a list
  GET  /_fake/counts  {"requests","logins","lookups","revokes","connections"}
"""
import argparse
import http.server
import json
import os
import socket
import ssl
import struct
import sys
import threading
import time
import urllib.parse

lock = threading.RLock()


class State:
    """Everything it knows; one lock."""

    def __init__(self, token):
        self.kv = {}		# (namespace, mount) -> key -> [versions]
        self.meta = {}		# (namespace, mount, key) -> custom metadata
        self.tokens = {token: None}	# token -> namespace it is good for
        self.logins = {}	# auth path -> list of credentials
        self.issued = []
        self.faults = {}	# address, "" for all -> fault
        self.counts = {"requests": 0, "logins": 0, "lookups": 0,
                       "revokes": 0, "connections": 0}
        self.index = 0

    def versions(self, ns, mount, key):
        return self.kv.setdefault((ns, mount), {}).setdefault(key, [])


def kv_mount(path):
    """(mount, rest) of a path below /v1/."""
    for mount in ("secret", "kv1", "kv", "team/secret"):
        if path == mount or path.startswith(mount + "/"):
            return mount, path[len(mount) + 1:]
    return None, path


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "vault"
    state = None
    log_file = None

    def setup(self):
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with lock:
            self.state.counts["connections"] += 1
            self.number = self.state.counts["connections"]

    def log_message(self, *_):
        pass

    # --- answers ---------------------------------------------------------

    def record(self, status):
        if not self.log_file:
            return
        line = json.dumps({
            "method": self.command, "path": self.path, "status": status,
            "namespace": self.headers.get("X-Vault-Namespace", ""),
            "connection": self.number, "headers": sorted(
                k.lower() for k in self.headers.keys())})
        with lock, open(self.log_file, "a", encoding="utf-8") as f:
            f.write(line + "\n")

    def answer(self, status, body=None, headers=()):
        data = b"" if body is None else (
            body if isinstance(body, bytes) else json.dumps(body).encode())
        self.record(status)
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        with lock:
            self.send_header("X-Vault-Index", f"idx-{self.state.index}")
        for k, v in headers:
            self.send_header(k, v)
        self.end_headers()
        self.wfile.write(data)

    def errors(self, status, *texts):
        self.answer(status, {"errors": list(texts)})

    # --- faults ------------------------------------------------------------

    def faulty(self):
        here = self.connection.getsockname()[0]
        with lock:
            faults = self.state.faults
            fault = faults.get(here) or faults.get("", {})
            if not fault.get("kind") or fault.get("match", "") not in \
                    self.path:
                return False
            if "times" in fault:
                if fault["times"] <= 0:
                    return False
                fault["times"] -= 1
        self.record(0)
        getattr(self, "fault_" + fault["kind"])(fault)
        return True

    def raw(self, head, body=b""):
        self.wfile.write(head.encode() + b"\r\n\r\n" + body)
        self.wfile.flush()

    def fault_hang(self, fault):
        time.sleep(fault.get("seconds", 120))
        self.close_connection = True

    def fault_drip(self, _):
        self.raw("HTTP/1.1 200 OK\r\nContent-Length: 100000")
        self.close_connection = True
        for _ in range(300):
            self.wfile.write(b" ")
            self.wfile.flush()
            time.sleep(1)

    def fault_short(self, _):
        self.raw("HTTP/1.1 200 OK\r\nContent-Length: 1000",
                 b'{"data":{"data":{"password":"s')
        self.close_connection = True

    def fault_long(self, _):
        """More than announced."""
        self.raw("HTTP/1.1 200 OK\r\nContent-Length: 12", b'{"data":{"data":'
                 b'{"password":"smuggled"}}}HTTP/1.1 200 OK\r\n\r\n')
        self.close_connection = True

    def fault_huge(self, fault):
        size = fault.get("bytes", 512 << 20)
        if fault.get("chunked"):
            self.raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked")
        else:
            self.raw(f"HTTP/1.1 200 OK\r\nContent-Length: {size}")
        self.close_connection = True
        block = b"x" * 65536
        while size > 0:
            if fault.get("chunked"):
                self.wfile.write(b"10000\r\n" + block + b"\r\n")
            else:
                self.wfile.write(block)
            size -= len(block)

    def fault_redirect(self, fault):
        self.raw(f"HTTP/1.1 307 Temporary Redirect\r\nLocation: "
                 f"{fault['to']}\r\nContent-Length: 0")

    def fault_status(self, fault):
        headers = [("Retry-After", str(fault["retry_after"]))] \
            if "retry_after" in fault else []
        body = fault.get("body", json.dumps({"errors": ["made to fail"]}))
        self.answer(fault["status"], body.encode(), headers)

    def fault_empty(self, _):
        self.answer(200, b"")

    def fault_truncated(self, _):
        self.answer(200, b'{"data":{"data":{"password":"x"')

    def fault_headers(self, fault):
        """A head of 1 MiB."""
        line = "X-Long: " + "h" * 8000 + "\r\n"
        self.wfile.write(b"HTTP/1.1 200 OK\r\n")
        for _ in range(fault.get("bytes", 1 << 20) // len(line)):
            self.wfile.write(line.encode())
        self.raw("Content-Length: 2", b"{}")
        self.close_connection = True

    def fault_informational(self, _):
        """Interim answers without end."""
        self.close_connection = True
        for _ in range(1 << 20):
            self.wfile.write(b"HTTP/1.1 103 Early Hints\r\n\r\n")

    def fault_deep(self, fault):
        n = fault.get("bytes", 2 << 20) // 2
        self.answer(200, b'{"data":{"data":{"password":' + b"[" * n +
                    b"]" * n + b"}}}")

    def fault_wide(self, fault):
        """Small on the wire, many nodes."""
        n = fault.get("bytes", 3 << 20) // 4
        self.answer(200, b'{"data":{"data":{"password":[' + b"{}, " * n +
                    b"0]}}}")

    def fault_garbage(self, _):
        self.wfile.write(b"\0\xff\x16smtp ready\r\n" * 20)
        self.close_connection = True

    def fault_reset(self, _):
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                   struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    # --- requests ------------------------------------------------------------

    def body(self):
        length = int(self.headers.get("Content-Length") or 0)
        data = self.rfile.read(length) if length else b""
        try:
            return json.loads(data) if data else {}
        except ValueError:
            return {}

    def handle_any(self):
        url = urllib.parse.urlsplit(self.path)
        path = urllib.parse.unquote(url.path)
        query = urllib.parse.parse_qs(url.query)
        body = self.body()
        if path.startswith("/_fake/"):
            return self.control(path[7:], body)
        if self.faulty():
            return None
        ns = self.headers.get("X-Vault-Namespace", "").strip("/")
        if not path.startswith("/v1/"):
            return self.errors(404, "no handler for route")
        path = path[4:]
        if path.startswith("auth/token/"):
            return self.token(path[11:])
        if path.startswith("auth/"):
            return self.login(path[5:], body, ns)
        with lock:
            self.state.counts["requests"] += 1
        if not self.authorized(ns):
            return self.errors(403, "permission denied")
        if path.startswith("sys/internal/ui/mounts/"):
            return self.mount(path[23:])
        method = self.command
        if method == "GET" and query.get("list") == ["true"]:
            method = "LIST"
        return self.kv(method, ns, path, query, body)

    do_GET = do_POST = do_PUT = do_DELETE = do_LIST = handle_any

    def authorized(self, ns):
        with lock:
            token = self.headers.get("X-Vault-Token")
            return token in self.state.tokens and \
                self.state.tokens[token] in (None, ns)

    def token(self, what):
        token = self.headers.get("X-Vault-Token")
        with lock:
            known = token in self.state.tokens
            if what == "lookup-self":
                self.state.counts["lookups"] += 1
            if what == "revoke-self":
                self.state.counts["revokes"] += 1
                if known and self.state.tokens[token] is not None:
                    del self.state.tokens[token]
        if not known:
            return self.errors(403, "permission denied")
        if what == "revoke-self":
            return self.answer(204)
        return self.answer(200, {"data": {
            "ttl": 3600, "type": "service", "renewable": True,
            "expire_time": "2036-01-01T00:00:00Z"}})

    def login(self, path, body, ns):
        with lock:
            self.state.counts["logins"] += 1
            wanted = self.state.logins.get(path.replace("/login", "", 1))
            peer = getattr(self.connection, "getpeercert", lambda: None)()
            fields = dict(body, **({"cert": "yes"} if peer else {}))
            good = wanted is not None and any(
                all(fields.get(k) == v for k, v in w.items()) for w in wanted)
            if good:
                token = f"hvs.{os.urandom(12).hex()}"
                self.state.tokens[token] = ns
                self.state.issued.append(token)
        if wanted is None:
            return self.errors(403, "permission denied")
        if not good:
            return self.errors(400, "invalid username or password"
                               if "password" in body
                               else "invalid role or secret ID")
        return self.answer(200, {"auth": {
            "client_token": token, "lease_duration": 3600,
            "renewable": True, "accessor": "a"}})

    def kv(self, method, ns, path, query, body):
        mount, rest = kv_mount(path)
        if mount is None:
            return self.errors(404, "no handler for route "
                               f'"{path}". route entry not found.')
        if mount == "kv1":
            return self.kv1(method, ns, rest, body)
        kind, _, key = rest.partition("/")
        if kind not in ("data", "metadata"):
            return self.answer(404, {"data": None, "warnings": [
                "Invalid path for a versioned K/V secrets engine. See the API "
                "docs for the appropriate API endpoints to use."]})
        if kind == "data" and method == "GET":
            return self.kv2_read(ns, mount, key, query)
        if kind == "metadata" and method == "LIST":
            return self.list(ns, mount, key)
        if kind == "metadata" and method == "GET":
            return self.kv2_metadata(ns, mount, key)
        if kind == "data" and method in ("POST", "PUT"):
            self.put(ns, mount, key, body.get("data", {}))
            return self.answer(200, {"data": {}})
        return self.errors(404)

    def mount(self, path):
        mount, rest = kv_mount(path.strip("/"))
        if mount is None or rest:
            return self.errors(403, f"preflight capability check returned "
                               f"403, please ensure client's policies grant "
                               f"access to path \"{path}/\"")
        return self.answer(200, {"data": {"type": "kv", "options": {
            "version": "1" if mount == "kv1" else "2"}}})

    def put(self, ns, mount, key, data):
        with lock:
            self.state.versions(ns, mount, key).append(data)
            self.state.index += 1

    def kv1(self, method, ns, key, body):
        if method == "LIST":
            return self.list(ns, "kv1", key)
        if method in ("POST", "PUT"):
            self.put(ns, "kv1", key, body)
            return self.answer(204)
        with lock:
            found = self.state.kv.get((ns, "kv1"), {}).get(key)
        if not found:
            return self.errors(404)
        return self.answer(200, {"data": found[-1]})

    def kv2_read(self, ns, mount, key, query):
        with lock:
            found = self.state.kv.get((ns, mount), {}).get(key)
        if not found:
            return self.errors(404)
        try:
            want = int(query.get("version", ["0"])[0]) or len(found)
        except ValueError:
            return self.errors(400, "Field validation failed: error "
                               'converting input for field "version"')
        if want > len(found):
            return self.errors(404)
        data = found[want - 1]
        meta = {"created_time": "2026-01-01T00:00:00Z", "version": want,
                "destroyed": False, "custom_metadata": None,
                "deletion_time": "" if data is not None
                else "2026-01-02T00:00:00Z"}
        return self.answer(200 if data is not None else 404,
                           {"data": {"data": data, "metadata": meta}})

    def kv2_metadata(self, ns, mount, key):
        with lock:
            found = self.state.kv.get((ns, mount), {}).get(key)
            custom = self.state.meta.get((ns, mount, key))
        if not found:
            return self.errors(404)
        return self.answer(200, {"data": {
            "created_time": "2026-01-01T00:00:00Z",
            "current_version": len(found), "custom_metadata": custom,
            "delete_version_after": "0s", "versions": {}}})

    def list(self, ns, mount, prefix):
        prefix = prefix.strip("/")
        prefix = prefix + "/" if prefix else ""
        with lock:
            keys = list(self.state.kv.get((ns, mount), {}))
        names = set()
        for key in keys:
            if key.startswith(prefix):
                head, slash, _ = key[len(prefix):].partition("/")
                names.add(head + slash)
        if not names:
            return self.errors(404)
        return self.answer(200, {"data": {"keys": sorted(names)}})

    # --- control ----------------------------------------------------------------

    def control(self, what, body):
        with lock:
            if what == "put":
                ns = body.get("namespace", "")
                self.put(ns, body["mount"], body["key"], body["data"])
                if "metadata" in body:
                    self.state.meta[ns, body["mount"], body["key"]] = \
                        body["metadata"]
            elif what == "delete":
                self.state.kv.get((body.get("namespace", ""), body["mount"]),
                                  {}).pop(body["key"], None)
            elif what == "tag":
                self.state.meta[body.get("namespace", ""), body["mount"],
                                body["key"]] = body["metadata"]
            elif what == "login":
                path = body.pop("path")
                self.state.logins.setdefault(path, []).append(body)
            elif what == "fault":
                self.state.faults[body.get("host", "")] = body
            elif what == "tokens":
                return self.answer(200, self.state.issued)
            elif what != "counts":
                return self.errors(404)
            counts = dict(self.state.counts)
        return self.answer(200, counts)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256
    context = None
    noise = False

    def finish_request(self, request, client_address):
        if self.noise:
            request.recv(4096)
            request.sendall(b"\x16\x03\x03\xff\xff" + bytes(range(256)))
            return
        # The hand-shake belongs to the connection's own thread.
        if self.context:
            request.settimeout(30)
            request = self.context.wrap_socket(request, server_side=True)
            request.settimeout(None)
        self.RequestHandlerClass(request, client_address, self)
        if self.context:
            try:
                request.unwrap()
            except (OSError, ValueError):
                pass
            request.close()

    def handle_error(self, request, client_address):
        pass


def tls_context(args):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(args.cert, args.key)
    if args.client_ca:
        context.load_verify_locations(args.client_ca)
        context.verify_mode = ssl.CERT_OPTIONAL
    return context


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port-file", required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--cert")
    parser.add_argument("--key")
    parser.add_argument("--client-ca")
    parser.add_argument("--log")
    parser.add_argument("--token", default="root")
    parser.add_argument("--bad-tls", action="store_true")
    parser.add_argument("--hosts", type=int, default=1)
    args = parser.parse_args()
    Handler.state = State(args.token)
    Handler.log_file = args.log
    context = tls_context(args) if args.cert else None
    servers, port = [], args.port
    for i in range(args.hosts):
        server = Server((f"127.0.0.{i + 1}", port), Handler)
        server.noise, server.context = args.bad_tls, context
        servers.append(server)
        port = server.server_address[1]
    for server in servers[1:]:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    with open(args.port_file + ".new", "w", encoding="utf-8") as f:
        f.write(str(port))
    os.rename(args.port_file + ".new", args.port_file)
    try:
        servers[0].serve_forever()
    except KeyboardInterrupt:
        sys.exit(0)


if __name__ == "__main__":
    main()
