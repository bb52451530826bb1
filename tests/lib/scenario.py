# SPDX-License-Identifier: Apache-2.0
"""What the scenarios stand on: the agent as a black box, in a world of its own.

A scenario is a file of functions test_*(), run by main().  It runs inside
mount and pid namespaces that it makes itself (by starting itself again under
unshare), so whatever way it ends, no process and no mount stays behind.
Prints TAP.
"""
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
BUILD = os.environ.get("NODESEAL_BUILD", os.path.join(ROOT, "build"))
NODESEAL = os.path.join(BUILD, "nodeseal")
DRIVER = "csi.nodeseal.dev"


def wait(what, seconds=10, step=0.02):
    """Poll until what() gives something true; its value."""
    end = time.monotonic() + seconds
    while True:
        value = what()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what.__doc__ or what}")
        time.sleep(step)


def read(path):
    with open(path, "rb") as f:
        return f.read()


def write(path, text):
    """As an editor does: whole or not at all."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path + ".new", "w", encoding="utf-8") as f:
        f.write(text)
    os.rename(path + ".new", path)


class Agent:
    """`nodeseal run` over a folder of manifests, with directories of its own."""

    def __init__(self, *flags, csi=True, env=None, dir_mode=0o700,
                 kubelet=None, lacks=(), kubeconfig=None):
        """kubelet: its root directory, when there is a real one; lacks: what
        the kernel has not (tests/tools/deny.c); kubeconfig: its text, for an
        API server in the place of the folder."""
        self.base = tempfile.mkdtemp(prefix="nodeseal-")
        os.chmod(self.base, dir_mode)
        self.manifests = os.path.join(self.base, "manifests")
        self.run = os.path.join(self.base, "run")
        self.kubelet = kubelet or os.path.join(self.base, "kubelet")
        self.pods = os.path.join(self.kubelet, "pods")
        self.host = os.path.join(self.run, "host")
        os.mkdir(self.manifests)
        os.makedirs(self.pods, exist_ok=True)
        self.kubeconfig = os.path.join(self.base, "kubeconfig")
        if kubeconfig:
            write(self.kubeconfig, kubeconfig)
        self.flags = [
            *(["--kubeconfig", self.kubeconfig] if kubeconfig else
              ["--manifests", self.manifests]), "--run", self.run, "--state",
            os.path.join(self.base, "state"), "--kubelet-dir", self.kubelet,
            "--node", "node1", "--log-level", "debug"]
        self.flags += ["--csi"] if csi else []
        self.flags += list(flags)
        self.before = [os.path.join(BUILD, "test/tools/deny"),
                       ",".join(lacks)] if lacks else []
        self.env = dict(os.environ, **(env or {}))
        self.process = None
        self.log_path = os.path.join(self.base, "log")

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, kind, *_):
        if kind:
            print("# agent's log:\n# " + "\n# ".join(
                self.log().splitlines()[-80:]))
            with contextlib.suppress(Exception):
                print("# status: " + json.dumps(self.status()))
        self.stop()
        with open("/proc/self/mountinfo", encoding="utf-8") as f:
            mounts = [l.split()[4] for l in f if self.base in l]
        for m in reversed(mounts):
            subprocess.run(["umount", "-l", m], check=False,
                           stderr=subprocess.DEVNULL)
        shutil.rmtree(self.base, ignore_errors=True)

    def start(self):
        log = open(self.log_path, "ab")
        self.process = subprocess.Popen(
            [*self.before, NODESEAL, "run", *self.flags], stderr=log, stdout=log,
            stdin=subprocess.DEVNULL, env=self.env)
        log.close()

    def stop(self, signo=signal.SIGTERM, seconds=10):
        """Ends the agent; its exit status."""
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.send_signal(signo)
        try:
            status = self.process.wait(seconds)
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
        self.process = None
        return status

    def log(self):
        return read(self.log_path).decode("utf-8", "replace")

    def manifest(self, name, text):
        write(os.path.join(self.manifests, name), text)

    def remove(self, name):
        os.unlink(os.path.join(self.manifests, name))

    def status(self):
        """The status JSON, or None when nobody answers."""
        out = subprocess.run([NODESEAL, "status", "-o", "json", "--run",
                              self.run], capture_output=True, check=False)
        return json.loads(out.stdout) if out.stdout else None

    def ready(self, seconds=10):
        return wait(lambda: (self.status() or {}).get("ready"), seconds)

    def es(self, name, ns="default"):
        for e in (self.status() or {}).get("externalSecrets", []):
            if e["name"] == name and e["namespace"] == ns:
                return e
        return None

    def pids(self):
        """name -> pid of the agent's processes."""
        found = {"keeper": self.process.pid}
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/stat", encoding="utf-8") as f:
                    ppid = int(f.read().rsplit(")", 1)[1].split()[1])
                cmd = read(f"/proc/{pid}/cmdline").split(b"\0")
            except (OSError, IndexError):
                continue
            if ppid != self.process.pid:
                continue
            for key, mark in (("core", b"_core"), ("zygote", b"zygote")):
                if mark in cmd:
                    found[key] = int(pid)
            for key in ("fsproj", "link"):
                if cmd[0].endswith(b"nodeseal-" + key.encode()):
                    found[key] = int(pid)
        return found

    # --- CSI -----------------------------------------------------------------

    def target(self, pod="pod1", volume="secrets"):
        path = os.path.join(self.pods, pod, "volumes", "kubernetes.io~csi",
                            volume, "mount")
        os.makedirs(os.path.dirname(path), exist_ok=True)
        return path

    def csi(self, command, *args, driver=DRIVER, check=True, timeout=150):
        sock = os.path.join(self.kubelet, "plugins", driver, "csi.sock")
        out = subprocess.run(
            [os.path.join(BUILD, "test/tools/csi_client"), sock, command,
             *args], capture_output=True, text=True, check=False,
            timeout=timeout)
        if check and out.returncode != 0:
            raise AssertionError(f"csi {command}: {out.stdout}{out.stderr}")
        return out

    def publish(self, external_secret, pod="pod1", volume="secrets", ns="default",
                attrs=(), extra=(), check=True):
        """NodePublishVolume as the kubelet asks it; the target's path."""
        path = self.target(pod, volume)
        keys = {"csi.storage.k8s.io/pod.name": pod,
                "csi.storage.k8s.io/pod.namespace": ns,
                "csi.storage.k8s.io/pod.uid": f"uid-{pod}",
                "csi.storage.k8s.io/serviceAccount.name": "default",
                "csi.storage.k8s.io/ephemeral": "true",
                "externalSecret": external_secret}
        keys.update(attrs)
        words = []
        for k, v in keys.items():
            words += ["--attr", f"{k}={v}"]
        out = self.csi("publish", "--target", path, "--volume-id",
                       f"csi-{pod}-{volume}", *words, *extra, check=check)
        return path if check else out

    def unpublish(self, pod="pod1", volume="secrets", check=True):
        return self.csi("unpublish", "--target", self.target(pod, volume),
                        "--volume-id", f"csi-{pod}-{volume}", check=check)


# --- manifests in few words ---------------------------------------------------

def fake_store(data, name="store", ns="default"):
    return json.dumps({
        "apiVersion": "external-secrets.io/v1", "kind": "SecretStore",
        "metadata": {"name": name, "namespace": ns},
        "spec": {"provider": {"fake": {"data": [
            {"key": k, "value": v} for k, v in data.items()]}}}})


def external_secret(name, data, store="store", ns="default", interval="1h",
                    annotations=None, kind="SecretStore", **spec):
    """data: secretKey -> (remote key, property) or remote key."""
    entries = []
    for key, ref in data.items():
        ref = ref if isinstance(ref, tuple) else (ref, None)
        remote = {"key": ref[0]}
        if ref[1]:
            remote["property"] = ref[1]
        entries.append({"secretKey": key, "remoteRef": remote})
    return json.dumps({
        "apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret",
        "metadata": {"name": name, "namespace": ns,
                     "annotations": annotations or {}},
        "spec": {"refreshInterval": interval,
                 "secretStoreRef": {"name": store, "kind": kind},
                 **({"data": entries} if entries else {}), **spec}})


def host_projection(name, external_secrets, path, ns="default", **spec):
    return json.dumps({
        "apiVersion": "nodeseal.dev/v1alpha1", "kind": "HostProjection",
        "metadata": {"name": name, "namespace": ns},
        "spec": {"path": path, "externalSecrets": [
            e if isinstance(e, dict) else {"name": e}
            for e in external_secrets], **spec}})


def documents(*texts):
    return "\n---\n".join(texts) + "\n"


# --- running -------------------------------------------------------------------

def isolate():
    """Start again inside namespaces of our own."""
    if os.environ.get("NODESEAL_ISOLATED") == "1":
        return
    os.environ["NODESEAL_ISOLATED"] = "1"
    os.execvp("unshare", [
        "unshare", "--mount", "--propagation", "private", "--pid", "--fork",
        "--kill-child", "--mount-proc", sys.executable, *sys.argv])


def main(names, *args):
    """Run every test_*(*args) of ``names`` (a module's globals())."""
    isolate()
    only = sys.argv[1:]
    tests = [(n, f) for n, f in names.items()
             if n.startswith("test_") and (not only or n in only)]
    print(f"1..{len(tests)}", flush=True)
    bad = 0
    for i, (name, test) in enumerate(tests, 1):
        start = time.monotonic()
        try:
            test(*args)
            word = "ok"
        except Exception:  # pylint: disable=broad-except
            print("# " + traceback.format_exc().replace("\n", "\n# "))
            word, bad = "not ok", bad + 1
        print(f"{word} {i} - {name} ({time.monotonic() - start:.2f} s)",
              flush=True)
    sys.exit(1 if bad else 0)
