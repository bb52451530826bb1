# SPDX-License-Identifier: Apache-2.0
"""An API server that does what a real one does not do on demand.

with FakeKube() as k: lists with pages, watches with bookmarks, 410, by the
Kubernetes API concepts; k.put(), k.remove() change objects; k.fault is asked
for each request.  HTTPS on loopback, HTTP/1.1.
"""
import base64
import copy
import http.server
import json
import os
import queue
import ssl
import sys
import tempfile
import threading
import urllib.parse

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../lib"))
from stores import certificates  # noqa: E402

KINDS = {"pods": "Pod", "namespaces": "Namespace", "nodes": "Node",
         "secrets": "Secret", "configmaps": "ConfigMap",
         "externalsecrets": "ExternalSecret", "secretstores": "SecretStore",
         "clustersecretstores": "ClusterSecretStore",
         "hostprojections": "HostProjection", "nodeseals": "NodeSeal",
         "fakes": "Fake", "passwords": "Password", "uuids": "UUID",
         "events": "Event"}
GROUPED = {"ExternalSecret", "SecretStore", "ClusterSecretStore", "Fake",
           "Password", "UUID", "HostProjection"}


def status(code, reason, message):
    return {"kind": "Status", "apiVersion": "v1", "status": "Failure",
            "code": code, "reason": reason, "message": message}


class Request:
    """What was asked: .verb is RBAC's."""

    def __init__(self, method, target):
        url = urllib.parse.urlsplit(target)
        self.method, self.path = method, url.path
        self.query = dict(urllib.parse.parse_qsl(url.query))
        parts = url.path.strip("/").split("/")
        self.ns = self.name = self.sub = ""
        rest = parts[2:] if parts[0] == "api" else parts[3:]
        if rest[:1] == ["namespaces"] and len(rest) > 2:
            self.ns, rest = rest[1], rest[2:]
        self.plural = rest[0] if rest else ""
        self.name = rest[1] if len(rest) > 1 else ""
        self.sub = rest[2] if len(rest) > 2 else ""
        self.verb = {"POST": "create", "PATCH": "patch",
                     "DELETE": "delete"}.get(method)
        if self.verb is None:
            self.verb = "get" if self.name else "watch" if \
                "watch" in self.query else "list"

    def __repr__(self):
        return f"{self.verb} {self.plural} {self.ns}/{self.name} {self.query}"


class FakeKube:
    def __init__(self, missing=()):
        """missing: plurals whose CRD is not there."""
        self.lock = threading.RLock()
        self.objects, self.watchers, self.requests = {}, [], []
        self.deleted = []
        self.missing, self.version, self.oldest = set(missing), 100, 0
        self.tokens = {"good"}
        self.bookmark_s = 0.5
        # Called with a Request before it is served: a (code, headers, body)
        # that is answered in its place; "cut", "slow", …: see answer().
        self.fault = lambda r: None
        self.connections = 0
        self.port = 0
        self.server = self.certs = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def start(self):
        kube = self

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            allow_reuse_address = True
            request_queue_size = 128

            def handle_error(self, *_):
                pass

            def get_request(self):
                sock, at = super().get_request()
                kube.connections += 1
                return sock, at

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if self.certs is None:
            with certificates() as certs:
                self.certs = [open(f"{certs}/{n}", "rb").read() for n in (
                    "server.pem", "server.key", "ca.pem", "client.pem",
                    "client.key")]
        self.ca = self.certs[2]
        with tempfile.NamedTemporaryFile() as f:
            f.write(self.certs[0] + self.certs[1])
            f.flush()
            context.load_cert_chain(f.name)
        context.load_verify_locations(cadata=self.ca.decode())
        context.verify_mode = ssl.CERT_OPTIONAL
        self.server = Server(("127.0.0.1", self.port),
                             type("H", (Handler,), {"kube": self}))
        self.server.socket = context.wrap_socket(
            self.server.socket, server_side=True,
            do_handshake_on_connect=False)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.05,),
                         daemon=True).start()

    def stop(self):
        self.cut_watches()
        self.server.shutdown()
        self.server.server_close()

    def certificate(self):
        """The user of a kubeconfig with a client certificate."""
        return {"client-certificate-data":
                base64.b64encode(self.certs[3]).decode(),
                "client-key-data": base64.b64encode(self.certs[4]).decode()}

    def kubeconfig(self, token="good", host="127.0.0.1", cluster=None, **user):
        return json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{"name": "c", "cluster": {
                "server": f"https://{host}:{self.port}",
                "certificate-authority-data":
                    base64.b64encode(self.ca).decode(), **(cluster or {})}}],
            "users": [{"name": "u", "user": user or {"token": token}}],
            "contexts": [{"name": "c", "context": {"cluster": "c",
                                                   "user": "u"}}]})

    # --- objects -----------------------------------------------------------

    def put(self, plural, name, ns="", quiet=False, **fields):
        """Makes or changes an object; everything but its metadata's identity
        is as given."""
        with self.lock:
            key = plural, ns, name
            old = self.objects.get(key)
            o = copy.deepcopy(fields)
            meta = o.setdefault("metadata", {})
            self.version += 1
            meta.update(name=name, resourceVersion=str(self.version))
            meta.setdefault("uid", old["metadata"]["uid"] if old else
                            f"uid-{plural}-{ns}-{name}")
            if ns:
                meta["namespace"] = ns
            self.objects[key] = o
            if not quiet:
                self.tell("MODIFIED" if old else "ADDED", key, o, old)
            return o

    def remove(self, plural, name, ns="", quiet=False):
        with self.lock:
            o = self.objects.pop((plural, ns, name))
            self.version += 1
            o["metadata"]["resourceVersion"] = str(self.version)
            self.deleted.append((plural, ns, name, o))
            if not quiet:
                self.tell("DELETED", (plural, ns, name), o, o)

    def matches(self, r, key, o):
        plural, ns, name = key
        if plural != r.plural or (r.ns and ns != r.ns):
            return False
        field = r.query.get("fieldSelector", "")
        if field.startswith("metadata.name=") and \
                name != field.split("=", 1)[1]:
            return False
        if field.startswith("spec.nodeName=") and \
                o.get("spec", {}).get("nodeName") != field.split("=", 1)[1]:
            return False
        label = r.query.get("labelSelector")
        return not label or label in o["metadata"].get("labels", {})

    def tell(self, kind, key, o, old):
        for r, q in self.watchers:
            if self.matches(r, key, o):
                q.put(json.dumps({"type": kind, "object": self.item(r, o)}))

    def item(self, r, o):
        o = dict(o)
        kind = KINDS[r.plural]
        if kind in GROUPED or r.verb != "list":
            o["kind"], o["apiVersion"] = kind, "x/v1"
        return o

    def cut_watches(self, how=None):
        with self.lock:
            for _, q in self.watchers:
                q.put(how)

    def compact(self):
        """All versions so far are too old from now on."""
        with self.lock:
            self.version += 1
            self.oldest = self.version

    def asked(self, verb=None, plural=None):
        with self.lock:
            return [r for r in self.requests
                    if verb in (None, r.verb) and plural in (None, r.plural)]

    def forget(self):
        with self.lock:
            self.requests.clear()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    kube = None

    def log_message(self, *_):
        pass

    def send(self, code, body, headers=()):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def answer(self):
        k = self.kube
        r = Request(self.command, self.path)
        length = int(self.headers.get("Content-Length", 0))
        r.body = self.rfile.read(length) if length else b""
        r.accept = self.headers.get("Accept", "")
        with k.lock:
            k.requests.append(r)
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        fault = k.fault(r)
        if isinstance(fault, tuple):
            code, headers, body = fault
            return self.send(code, body, headers)
        if fault == "cut":
            self.close_connection = True
            return None
        known = token in k.tokens or (not token and
                                      self.connection.getpeercert())
        if not known:
            return self.send(401, status(401, "Unauthorized", "Unauthorized"))
        if r.path == "/version":
            return self.send(200, {"major": "1", "minor": "33+"})
        if r.plural in k.missing or r.plural not in KINDS:
            return self.send(404, b"404 page not found\n")
        if r.verb == "list":
            return self.list(r, fault)
        if r.verb == "watch":
            return self.watch(r, fault)
        return self.one(r)

    do_GET = do_POST = do_PATCH = do_DELETE = answer

    def one(self, r):
        k = self.kube
        with k.lock:
            o = k.objects.get((r.plural, r.ns, r.name))
            if r.verb == "patch" and o is not None:
                body = json.loads(r.body)
                changed = {**copy.deepcopy(o), **{
                    key: value for key, value in body.items() if key not in (
                        "kind", "apiVersion", "metadata")}}
                o = k.put(r.plural, r.name, r.ns, **changed)
        if o is None:
            return self.send(404, status(404, "NotFound", "not found"))
        return self.send(200, k.item(r, o))

    def list(self, r, fault):
        k = self.kube
        with k.lock:
            found = [k.item(r, o) for key, o in sorted(k.objects.items())
                     if k.matches(r, key, o)]
            version = str(k.version)
        meta = {"resourceVersion": version}
        start, limit = 0, int(r.query.get("limit", 0))
        if "continue" in r.query:
            start = int(r.query["continue"].split(":")[0])
            meta["resourceVersion"] = r.query["continue"].split(":")[1]
            if fault == "expire":
                return self.send(410, status(410, "Expired", "too old"))
        if limit and start + limit < len(found):
            meta["continue"] = f"{start + limit}:{meta['resourceVersion']}"
        if limit:
            found = found[start:start + limit]
        # As a real one does (1.35): no list where there is no metadata.
        if not found and "PartialObjectMetadataList" in r.accept:
            found = None
        return self.send(200, {"kind": KINDS[r.plural] + "List",
                               "apiVersion": "v1", "metadata": meta,
                               "items": found, "unknown": {"field": [1]}})

    # --- watches -------------------------------------------------------------

    def chunk(self, data):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def watch(self, r, fault):
        k = self.kube
        since = int(r.query.get("resourceVersion") or 0)
        q = queue.Queue()
        with k.lock:
            expired = since < k.oldest
            past = [("MODIFIED", key, o) for key, o in k.objects.items()]
            past += [("DELETED", d[:3], d[3]) for d in k.deleted]
            past = [(int(o["metadata"]["resourceVersion"]), kind, key, o)
                    for kind, key, o in past if k.matches(r, key, o)]
            for version, kind, _, o in sorted(past, key=lambda p: p[0]):
                if version > since and not expired:
                    q.put(json.dumps({"type": kind,
                                      "object": k.item(r, o)}))
            k.watchers.append((r, q))
        try:
            if expired and fault != "error-event":
                return self.send(410, status(410, "Expired", "too old"))
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            if expired:
                self.chunk(json.dumps({"type": "ERROR", "object": status(
                    410, "Expired", "too old")}).encode() + b"\n")
                self.chunk(b"")
                return None
            return self.stream(r, q)
        finally:
            with k.lock:
                k.watchers.remove((r, q))

    def stream(self, r, q):
        k = self.kube
        while True:
            try:
                line = q.get(timeout=k.bookmark_s)
            except queue.Empty:
                with k.lock:
                    line = json.dumps({"type": "BOOKMARK", "object": {
                        "metadata": {"resourceVersion": str(k.version)}}})
            if line is None:
                self.close_connection = True
                return
            if line == "end":
                self.chunk(b"")
                return
            if isinstance(line, bytes):	# half an event, and gone
                self.chunk(line)
                self.close_connection = True
                return
            self.chunk(line.encode() + b"\n")
