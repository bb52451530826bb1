#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`nodeseal run` with an API server: the whole way, and what dies on it."""
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../lib"))
sys.path.insert(0, os.path.join(HERE, "../fake"))
from kube import FakeKube  # noqa: E402
from scenario import NODESEAL, Agent, main, read, wait  # noqa: E402


def put_store(k, value):
    k.put("secretstores", "store", "shop", spec={
        "controller": "nodeseal", "provider": {"fake": {"data": [
            {"key": "k", "value": value}]}}})


def put_secret(k, name="db"):
    k.put("externalsecrets", name, "shop", spec={
        "secretStoreRef": {"name": "store"}, "refreshInterval": "1h",
        "target": {"creationPolicy": "None"},
        "data": [{"secretKey": "password", "remoteRef": {"key": "k"}}]})


@contextlib.contextmanager
def world():
    with FakeKube() as k:
        put_store(k, "first")
        put_secret(k)
        k.put("hostprojections", "web", "shop", spec={
            "path": "web", "externalSecrets": [{"name": "db"}]})
        yield k


def password(a):
    with contextlib.suppress(OSError):
        return read(f"{a.host}/shop/web/password")
    return None


def has(a, value, seconds=10):
    wait(lambda: password(a) == value, seconds)


def conditions(k, plural, name, ns="shop"):
    with k.lock:
        o = k.objects.get((plural, ns, name)) or {}
    return {c["type"]: (c["status"], c["reason"])
            for c in o.get("status", {}).get("conditions", [])}


def port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def get(at, path):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{at}{path}",
                                    timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as e:
        return e.code, e.read().decode()
    except OSError as e:
        return 0, str(e)


def test_the_whole_way():
    """Objects in, files and statuses out; a changed store is seen at once."""
    at = port()
    with world() as k, Agent("--listen", f"127.0.0.1:{at}",
                             kubeconfig=k.kubeconfig()) as a:
        has(a, b"first")
        a.ready()
        wait(lambda: conditions(k, "externalsecrets", "db").get("Ready") ==
             ("True", "SecretSynced"), 5)
        wait(lambda: conditions(k, "secretstores", "store").get("Ready") ==
             ("True", "Valid"), 5)
        assert a.status()["mode"] == "cluster"
        wait(lambda: get(at, "/readyz")[0] == 200, 5)
        assert "nodeseal_api_requests_total" in get(at, "/metrics")[1]
        put_store(k, "second")
        has(a, b"second")
        # Our own status writes are no changes to us: it comes to rest.
        time.sleep(1)
        writes = len([r for r in k.asked() if r.verb == "patch"])
        time.sleep(2)
        assert len([r for r in k.asked() if r.verb == "patch"]) == writes
        assert not k.asked(plural="secrets")
        assert b"second" not in b"".join(r.body for r in k.asked())


def test_link_dies():
    with world() as k, Agent(kubeconfig=k.kubeconfig()) as a:
        has(a, b"first")
        a.ready()
        before = os.stat(f"{a.host}/shop/web/password").st_ino
        os.kill(a.pids()["link"], signal.SIGKILL)
        put_store(k, "second")
        k.remove("hostprojections", "web", "shop", quiet=True)
        k.put("hostprojections", "web", "shop", quiet=True, spec={
            "path": "web", "externalSecrets": [{"name": "db"}]})
        assert os.stat(f"{a.host}/shop/web/password").st_ino == before
        has(a, b"second", 8)


def test_core_dies():
    """Link ends with it, and both find each other again."""
    with world() as k, Agent(kubeconfig=k.kubeconfig()) as a:
        has(a, b"first")
        a.ready()
        link = a.pids()["link"]
        os.kill(a.pids()["core"], signal.SIGKILL)
        wait(lambda: a.pids().get("link", link) != link, 5)
        assert password(a) == b"first"
        a.ready()
        put_store(k, "second")
        has(a, b"second")


def test_server_away():
    """Files stay; a restart meanwhile, too, is served from the sealed cache."""
    with world() as k, Agent(kubeconfig=k.kubeconfig()) as a:
        has(a, b"first")
        wait(lambda: a.status()["cache"]["records"] == 1, 5)
        time.sleep(0.5)
        k.stop()
        time.sleep(1)
        assert password(a) == b"first"
        a.stop()
        a.start()
        wait(lambda: a.status(), 5)
        time.sleep(1)
        status = a.status()
        assert not status["ready"], status
        assert password(a) == b"first"
        k.start()
        a.ready(20)
        put_store(k, "second")
        has(a, b"second")


def test_words():
    """What run says when it cannot know where objects come from."""
    env = {k: v for k, v in os.environ.items()
           if k != "KUBERNETES_SERVICE_HOST"}
    for flags, word in (((), "name one"),
                        (("--manifests=/m", "--kubeconfig=/k"), "one of them"),
                        (("--kubeconfig=k",), "absolute"),
                        (("--manifests=/m", "--listen=8080"), "ADDRESS:PORT"),
                        (("--manifests=/m", "--listen=host:80"), "ADDRESS"),
                        (("--manifests=/m", "--listen=:70000"), "ADDRESS")):
        out = subprocess.run([NODESEAL, "run", *flags], env=env, text=True,
                             capture_output=True, check=False, timeout=10)
        assert out.returncode == 2 and word in out.stderr, (flags, out)


def test_no_such_kubeconfig():
    with Agent("--kubeconfig", "/nowhere/config",
               kubeconfig="{}") as a:
        assert wait(lambda: a.process.poll(), 5) == 1
        assert "--kubeconfig: /nowhere/config" in a.log(), a.log()


def test_metrics_of_a_folder():
    at = port()
    with Agent("--listen", f"127.0.0.1:{at}") as a:
        a.ready()
        wait(lambda: get(at, "/readyz")[0] == 200, 5)
        assert get(at, "/livez")[0] == 200
        assert "nodeseal_info" in get(at, "/metrics")[1]


if __name__ == "__main__":
    main(globals())
