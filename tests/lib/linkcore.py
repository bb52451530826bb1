# SPDX-License-Identifier: Apache-2.0
"""core's end of nodeseal-link's socket (agent/ipc/link.h), for tests.

with LinkCore(kubeconfig_text) as k: a nodeseal-link runs and every frame that
it sends is kept: k.frames is a list of (type's name, fields), k.objects what
core would hold, k.pods, k.leases, k.metas, k.problems, k.listed.
"""
import array
import json
import os
import signal
import socket
import struct
import subprocess
import tempfile
import threading

from scenario import BUILD, wait

FROM_LINK = ["STATE", "NODE", "RELIST", "OBJECTS", "GONE", "LISTED",
             "UNWATCHED", "LEASE", "POD", "POD_GONE", "META", "SYNCED",
             "REPORTED", "SCRAPE", "PROBLEM"]
TO_LINK = ["WANT", "WATCH", "REPORT", "EVENT", "READY", "SCRAPED"]
HEAD = struct.Struct("<IHHII")
MAGIC = 0x314c534e


class Wire:
    def __init__(self, data):
        self.data, self.at = data, 0

    def number(self, form):
        value, = struct.unpack_from("<" + form, self.data, self.at)
        self.at += struct.calcsize("<" + form)
        return value

    def u8(self):
        return self.number("B")

    def text(self):
        n = self.number("I")
        self.at += n
        return self.data[self.at - n:self.at].decode()

    def texts(self):
        return [self.text() for _ in range(self.number("I"))]


def put_text(s):
    s = s.encode()
    return struct.pack("<I", len(s)) + s


def words(on=0, tag=0, a="", b="", c=""):
    return struct.pack("<BQ", on, tag) + put_text(a) + put_text(b) + \
        put_text(c)


class LinkCore:
    def __init__(self, kubeconfig, node="node1", flags=(), env=None,
                 program="nodeseal-link", level="debug", account=None):
        """account: the folder of an in-cluster account, in the place of a
        kubeconfig."""
        self.account = account
        self.frames, self.objects, self.pods = [], {}, {}
        self.leases, self.metas, self.problems = {}, {}, {}
        self.listed, self.states, self.node = set(), [], None
        self.synced = self.ended = False
        self.sealed = True
        self.lock = threading.Condition()
        self.log_file = tempfile.NamedTemporaryFile(prefix="link-log")
        self.file = tempfile.NamedTemporaryFile("w", prefix="kubeconfig")
        self.file.write(kubeconfig)
        self.file.flush()
        self.args = [os.path.join(BUILD, program), "--fd", "3", "--node",
                     node, "--log-level", level, *flags]
        # What gave up /proc cannot look for leaks.
        self.env = dict(os.environ, ASAN_OPTIONS="detect_leaks=0",
                        **(env or {}))

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, kind, *_):
        self.stop()
        if kind:
            print("# " + self.log()[-4000:].replace("\n", "\n# "), flush=True)
        self.file.close()
        self.log_file.close()

    def start(self):
        ours, theirs = socket.socketpair()
        config = os.open(self.account or self.file.name, os.O_RDONLY)
        at, other = (20, 21) if self.account else (21, 20)

        def become():
            high = [os.dup(theirs.fileno()), os.dup(config)]
            os.dup2(high[0], 3, inheritable=True)
            os.dup2(high[1], at, inheritable=True)
            for fd in high:
                if fd not in (3, at):
                    os.close(fd)
            try:
                os.close(other)
            except OSError:
                pass

        self.process = subprocess.Popen(
            self.args, preexec_fn=become, close_fds=False, env=self.env,
            stdin=subprocess.DEVNULL, stdout=self.log_file,
            stderr=self.log_file)
        theirs.close()
        os.close(config)
        self.sock = ours
        self.thread = threading.Thread(target=self.read_all, daemon=True)
        self.thread.start()

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(5)
        self.thread.join(5)
        self.sock.close()

    def log(self):
        with open(self.log_file.name, encoding="utf-8",
                  errors="replace") as f:
            return f.read()

    # --- out ---------------------------------------------------------------

    def send(self, name, body):
        kind = 64 + TO_LINK.index(name)
        self.sock.sendall(HEAD.pack(MAGIC, 1, kind, len(body), 0) + body)

    def want(self, ns, on=1):
        self.send("WANT", words(on=on, a=ns))

    def watch(self, kind, ns, name, on=1):
        self.send("WATCH", words(on=on, a=kind, b=ns, c=name))

    def report(self, kind, ns, name, status, uid="", tag=1, urgent=0):
        self.send("REPORT", struct.pack("<Q", tag) + put_text(kind) +
                  put_text(ns) + put_text(name) + put_text(uid) +
                  put_text(json.dumps(status)) + bytes([urgent]))

    # --- in ----------------------------------------------------------------

    def receive(self, n, fds):
        data = b""
        while len(data) < n:
            part, anc, _, _ = self.sock.recvmsg(
                min(n - len(data), 1 << 16), socket.CMSG_SPACE(16 * 4))
            for level, kind, raw in anc:
                if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                    got = array.array("i")
                    got.frombytes(raw[:len(raw) - len(raw) % 4])
                    fds.extend(got)
            if not part:
                raise EOFError
            data += part
        return data

    def read_all(self):
        try:
            while True:
                fds = []
                magic, version, kind, size, nfds = HEAD.unpack(
                    self.receive(HEAD.size, fds))
                assert (magic, version, nfds) == (MAGIC, 1, len(fds))
                body = self.receive(size, fds)
                with self.lock:
                    self.take(FROM_LINK[kind - 1], Wire(body), fds)
                    self.lock.notify_all()
        except (EOFError, OSError):
            with self.lock:
                self.ended = True
                self.lock.notify_all()

    def take(self, name, w, fds):
        fields = getattr(self, "on_" + name.lower())(w, fds)
        for fd in fds:
            os.close(fd)
        self.frames.append((name, fields))

    def on_state(self, w, _):
        self.states.append((w.u8(), w.text(), w.text()))
        return self.states[-1]

    def on_node(self, w, _):
        self.node = {"name": w.text(), "uid": w.text(), "labels": w.texts(),
                     "has_labels": w.u8(), "minor": w.u8()}
        return self.node

    def three(self, w):
        return w.text(), w.text(), w.text()

    def on_relist(self, w, _):
        kind, ns, _ = self.three(w)
        self.listed.discard((kind, ns))
        return kind, ns

    def on_objects(self, w, fds):
        kind, ns, _ = self.three(w)
        with open(fds[0], "rb", closefd=False) as f:
            items = json.load(f)["items"]
        try:
            os.pwrite(fds[0], b"x", 0)
            self.sealed = False
        except OSError:
            pass
        for o in items:
            assert o["kind"] == kind and o["apiVersion"], o
            self.objects[kind, ns, o["metadata"]["name"]] = o
        return kind, ns, [o["metadata"]["name"] for o in items]

    def on_gone(self, w, _):
        key = self.three(w)
        self.objects.pop(key, None)
        return key

    def on_listed(self, w, _):
        kind, ns, _ = self.three(w)
        self.listed.add((kind, ns))
        return kind, ns

    def on_unwatched(self, w, _):
        kind, ns, name = self.three(w)
        self.listed.discard((kind, ns))
        return kind, ns, name

    def on_lease(self, w, _):
        m = {"ns": w.text(), "name": w.text(), "uid": w.text(),
             "refreshed_at": w.number("q"), "synced": w.text(),
             "ready": w.u8(), "conditions": json.loads(w.text()),
             "binding": w.text()}
        # Behind its object, always.
        assert ("ExternalSecret", m["ns"], m["name"]) in self.objects, m
        self.leases[m["ns"], m["name"]] = m
        return m

    def on_pod(self, w, _):
        m = {"ns": w.text(), "name": w.text(), "uid": w.text(),
             "account": w.text(), "waits": w.u8(), "over": w.u8(),
             "volumes": [(w.text(), w.text(), w.text())
                         for _ in range(w.number("I"))],
             "secrets": w.texts()}
        self.pods[m["ns"], m["name"]] = m
        return m

    def on_pod_gone(self, w, _):
        uid, ns, name = self.three(w)
        if self.pods.get((ns, name), {}).get("uid") == uid:
            del self.pods[ns, name]
        return ns, name, uid

    def on_meta(self, w, _):
        m = {"kind": w.text(), "ns": w.text(), "name": w.text(),
             "exists": w.u8(), "uid": w.text(), "version": w.text(),
             "managed": w.u8(), "hash": w.text(), "owner": w.text()}
        self.metas[m["kind"], m["ns"], m["name"]] = m
        return m

    def on_synced(self, *_):
        self.synced = True

    def on_reported(self, w, _):
        return w.number("Q"), w.number("I"), w.text()

    def on_scrape(self, w, _):
        w.u8()
        tag = w.number("Q")
        return tag

    def on_problem(self, w, _):
        w.u8()
        w.number("Q")
        key, text = w.text(), w.text()
        if text:
            self.problems[key] = text
        else:
            self.problems.pop(key, None)
        return key, text

    # --- waiting -------------------------------------------------------------

    def until(self, what, seconds=10):
        """What the lambda gives once it is true, under the lock."""
        def look():
            with self.lock:
                return what()
        look.__doc__ = what.__doc__
        return wait(look, seconds)

    def count(self, name):
        with self.lock:
            return sum(n == name for n, _ in self.frames)

    def names(self, name):
        """The fields of all frames of that type."""
        with self.lock:
            return [f for n, f in self.frames if n == name]

    def memory(self):
        """Private bytes of nodeseal-link."""
        total = 0
        with open(f"/proc/{self.process.pid}/smaps_rollup") as f:
            for line in f:
                if line.startswith("Private_"):
                    total += int(line.split()[1]) * 1024
        return total

    def cpu(self):
        """Seconds of processor time."""
        with open(f"/proc/{self.process.pid}/stat") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
