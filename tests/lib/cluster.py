# SPDX-License-Identifier: Apache-2.0
"""A real Kubernetes on one node, for tests/cluster and by hand.

A test is a file of functions test_*(c), run by main(): it starts itself again
inside the namespaces of cluster_hold, starts one Cluster there, and hands it to
every function.  Inside, the test stands on the node itself: it sees the pods'
mounts and can run the agent as a process of the node.  Prints TAP.

Needs what tests/tools/peers.sh cluster builds and tests/lib/deps.sh cluster
installs.
"""
import base64
import http.client
import json
import os
import shutil
import signal
import ssl
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import cluster_hold  # noqa: E402
import cluster_node as node  # noqa: E402
import images  # noqa: E402
import scenario  # noqa: E402
from cluster_node import IP, ISSUER, PORT, peer  # noqa: E402,F401
from scenario import BUILD, wait  # noqa: E402

BASE = "/run/cluster"


class ApiError(Exception):
    """What the API server refused: .code, .reason, .message."""

    def __init__(self, code, body):
        status = body if isinstance(body, dict) else {}
        self.code = code
        self.reason = status.get("reason", "")
        self.message = status.get("message", str(body))
        super().__init__(f"{code} {self.reason}: {self.message}")


class Cluster:
    """with Cluster() as c: c.kubectl("get", "nodes")"""

    def __init__(self, name="node1"):
        self.name = name
        self.pki = f"{BASE}/pki"
        self.kubeconfig = f"{BASE}/admin.kubeconfig"
        self.api_url = f"https://{IP}:{PORT}"
        self.processes = {}
        self.seconds = {}
        self.begin = time.monotonic()

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.keep_logs()
            raise
        return self

    def __exit__(self, kind, value, *_):
        if kind and not (kind is SystemExit and value.code == 0):
            self.keep_logs()
        self.stop()

    # --- start and stop ------------------------------------------------------

    def mark(self, what):
        self.seconds[what] = round(time.monotonic() - self.begin, 1)

    def start(self):
        """To a Ready node on which pods can be made."""
        cgroup = os.environ["NODESEAL_CGROUP"]
        node.make_place(self.name, BASE)
        self.lines = node.commands(BASE, self.pki, self.name)
        self.mark("place")
        node.put(f"{BASE}/containerd.toml",
                 node.CONTAINERD.format(base=BASE))
        for name in ("etcd", "containerd"):
            self.run(name)
        node.make_certificates(self.pki, self.name)
        node.write_configs(BASE, self.pki, cgroup)
        self.mark("certificates")
        self.run("kube-apiserver")
        pause = images.pause(f"{BASE}/pause.tar")
        wait(lambda: self.ctr("version", check=False).returncode == 0, 30, 0.1)
        self.import_image(pause)
        self.mark("containerd")
        wait(lambda: self.probe("/readyz"), 120, 0.1)
        self.mark("apiserver")
        for name in ("kube-controller-manager", "kube-scheduler", "kubelet"):
            self.run(name)
        wait(self.node_ready, 120, 0.1)
        self.mark("node")
        wait(lambda: self.exists("/api/v1/namespaces/default/serviceaccounts"
                                 "/default"), 60, 0.1)
        self.mark("ready")

    def run(self, name):
        """Starts a component, again if it has been stopped."""
        log = open(f"{BASE}/log/{name}", "ab")
        env = dict(os.environ)
        env["PATH"] = "/usr/local/sbin:/usr/sbin:/sbin:" + env["PATH"]
        self.processes[name] = subprocess.Popen(
            self.lines[name], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            env=env, start_new_session=True)
        log.close()

    def kill(self, name, signo=signal.SIGKILL):
        """Ends a component."""
        process = self.processes.pop(name)
        process.send_signal(signo)
        process.wait(30)

    def stop(self):
        """Ends the components; the namespaces end what those left."""
        for name in reversed(list(self.processes)):
            self.kill(name)

    def keep_logs(self):
        """Where a person finds them: build/log/cluster."""
        to = os.path.join(BUILD, "log", "cluster")
        shutil.rmtree(to, ignore_errors=True)
        if os.path.isdir(f"{BASE}/log"):
            shutil.copytree(f"{BASE}/log", to)
            print(f"# the components' logs: {to}", flush=True)

    def log(self, name):
        with open(f"{BASE}/log/{name}", encoding="utf-8",
                  errors="replace") as f:
            return f.read()

    # --- the API --------------------------------------------------------------

    def request(self, method, path, body=None, token=None, content=None,
                accept="application/json", timeout=30):
        """(status code, decoded answer).  As admin, or with a token."""
        context = ssl.create_default_context(cafile=f"{self.pki}/ca.crt")
        headers = {"Accept": accept}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        else:
            context.load_cert_chain(f"{self.pki}/admin.crt",
                                    f"{self.pki}/admin.key")
        data = None
        if body is not None:
            data = body if isinstance(body, (bytes, str)) else json.dumps(body)
            headers["Content-Type"] = content or "application/json"
        connection = http.client.HTTPSConnection(IP, PORT, context=context,
                                                 timeout=timeout)
        try:
            connection.request(method, path, data, headers)
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        try:
            return answer.status, json.loads(text)
        except ValueError:
            return answer.status, text.decode("utf-8", "replace")

    def api(self, method, path, body=None, **more):
        """The decoded answer; ApiError when it is refused."""
        status, answer = self.request(method, path, body, **more)
        if status >= 300:
            raise ApiError(status, answer)
        return answer

    def ca(self):
        with open(f"{self.pki}/ca.crt", encoding="utf-8") as f:
            return f.read()

    def probe(self, path):
        try:
            return self.request("GET", path, timeout=2)[0] == 200
        except OSError:
            return False

    exists = probe

    def node_ready(self):
        status, answer = self.request("GET", f"/api/v1/nodes/{self.name}")
        return status == 200 and any(
            c["type"] == "Ready" and c["status"] == "True"
            for c in answer["status"].get("conditions", []))

    def kubectl(self, *args, stdin=None, check=True, timeout=120):
        """What it prints; with check=False, the finished process."""
        out = subprocess.run(
            # What it remembers of another cluster at this address is wrong.
            [peer("kubectl"), "--kubeconfig", self.kubeconfig, "--cache-dir",
             f"{BASE}/kubectl", *args],
            input=stdin, capture_output=True, text=True, check=False,
            timeout=timeout)
        if not check:
            return out
        if out.returncode != 0:
            raise AssertionError(f"kubectl {' '.join(args)}: {out.stdout}"
                                 f"{out.stderr}")
        return out.stdout

    def apply(self, *objects, server_side=True):
        """Objects as dicts, YAML text, or paths of files."""
        more = ["--server-side"] if server_side else []
        for o in objects:
            if isinstance(o, str) and os.path.exists(o):
                self.kubectl("apply", *more, "-f", o)
                continue
            text = o if isinstance(o, str) else json.dumps(o)
            self.kubectl("apply", *more, "-f", "-", stdin=text)

    def delete(self, kind, name, ns="default"):
        self.kubectl("delete", kind, name, "-n", ns, "--ignore-not-found",
                     "--wait=true", "--timeout=60s", "--grace-period=1")

    def namespace(self, name):
        """A namespace in which pods can be made."""
        self.apply({"apiVersion": "v1", "kind": "Namespace",
                    "metadata": {"name": name}})
        wait(lambda: self.exists(f"/api/v1/namespaces/{name}/serviceaccounts"
                                 "/default"), 30, 0.05)
        return name

    def token(self, account, ns="default", audiences=None, bound=None,
              seconds=3600):
        """A real token of a service account; ``bound`` is (kind, name, uid) of
        the Pod or Node that it is bound to."""
        spec = {"expirationSeconds": seconds}
        if audiences:
            spec["audiences"] = audiences
        if bound:
            spec["boundObjectRef"] = {"apiVersion": "v1", "kind": bound[0],
                                      "name": bound[1], "uid": bound[2]}
        answer = self.api(
            "POST", f"/api/v1/namespaces/{ns}/serviceaccounts/{account}/token",
            {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
             "spec": spec})
        return answer["status"]["token"]

    def audit(self, user=None):
        """The audited requests so far, of one user if named."""
        with open(f"{BASE}/audit.log", encoding="utf-8") as f:
            events = [json.loads(line) for line in f if line.endswith("\n")]
        return [e for e in events
                if user is None or e["user"]["username"] == user]

    # --- pods -----------------------------------------------------------------

    def pod(self, name, ns="default"):
        return self.api("GET", f"/api/v1/namespaces/{ns}/pods/{name}")

    def pod_is(self, name, ns="default", phase="Running"):
        """Running means: every container is ready."""
        status, pod = self.request("GET",
                                   f"/api/v1/namespaces/{ns}/pods/{name}")
        if status != 200 or pod["status"].get("phase") != phase:
            return False
        return phase != "Running" or all(
            s["ready"] for s in pod["status"].get("containerStatuses", []))

    def wait_pod(self, name, ns="default", seconds=60, phase="Running"):
        try:
            wait(lambda: self.pod_is(name, ns, phase), seconds, 0.05)
        except AssertionError:
            print("# " + self.kubectl("describe", "pod", name, "-n",
                                      ns).replace("\n", "\n# "))
            raise
        return self.pod(name, ns)

    def exec(self, pod, *command, ns="default", check=True):
        words = list(command) if "--" in command else ["--", *command]
        return self.kubectl("exec", pod, "-n", ns, *words, check=check)

    def logs(self, pod, ns="default", container=None):
        more = ["-c", container] if container else []
        return self.kubectl("logs", pod, "-n", ns, *more)

    def events(self, pod, ns="default"):
        """reason and message of a pod's events."""
        found = self.api("GET", f"/api/v1/namespaces/{ns}/events"
                         f"?fieldSelector=involvedObject.name%3D{pod}")
        return [(e["reason"], e["message"]) for e in found["items"]]

    # --- containerd ------------------------------------------------------------

    def ctr(self, *args, check=True, timeout=60):
        return subprocess.run(["/usr/bin/ctr", "-n", "k8s.io", *args],
                              capture_output=True, text=True, check=check,
                              timeout=timeout)

    def import_image(self, path):
        self.ctr("images", "import", path)

    def busybox(self):
        """The name of an image for pods; imported by the first call."""
        path = f"{BASE}/busybox.tar"
        if not os.path.exists(path):
            self.import_image(images.busybox(path))
        return images.BUSYBOX


def decode(token):
    """The claims of a token."""
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def isolate():
    """Start again as a command on a node of its own."""
    if os.environ.get("NODESEAL_CGROUP"):
        return
    os.environ["NODESEAL_ISOLATED"] = "1"
    sys.exit(cluster_hold.hold([sys.executable, *sys.argv]))


def main(names):
    isolate()
    with Cluster() as c:
        print(f"# Ready after {c.seconds}", flush=True)
        scenario.main(names, c)
