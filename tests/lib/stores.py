# SPDX-License-Identifier: Apache-2.0
"""The look-alike store of tests/fake, and certificates for it."""
import contextlib
import json
import os
import shutil
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.request

FAKE = os.path.join(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))), "fake")


@contextlib.contextmanager
def certificates():
    """A folder with ca.pem, server.pem, server.key, client.pem, …"""
    folder = tempfile.mkdtemp(prefix="nodeseal-certs-")
    try:
        subprocess.run([os.path.join(FAKE, "make_certs.sh"), folder],
                       check=True)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class Fake:
    """A program of tests/fake that writes its port into a file."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="fake-")
        self.process = None
        self.context = None
        self.port = 0

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()
        shutil.rmtree(self.dir, ignore_errors=True)

    def words(self):
        raise NotImplementedError

    def start(self):
        port_file = os.path.join(self.dir, "port")
        with contextlib.suppress(FileNotFoundError):
            os.unlink(port_file)
        self.process = subprocess.Popen(
            [sys.executable] + self.words() + ["--port-file", port_file],
            stdin=subprocess.DEVNULL)
        end = time.monotonic() + 10
        while not os.path.exists(port_file):
            if time.monotonic() > end or self.process.poll() is not None:
                raise AssertionError("the fake store does not start")
            time.sleep(0.01)
        with open(port_file, encoding="utf-8") as f:
            self.port = int(f.read())

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def control(self, what, **body):
        request = urllib.request.Request(
            f"{self.url}/_fake/{what}", data=json.dumps(body).encode())
        with urllib.request.urlopen(request, timeout=10,
                                    context=self.context) as r:
            return json.loads(r.read())

    def fault(self, kind="", **more):
        self.control("fault", kind=kind, **more)

    def counts(self):
        return self.control("counts")


class FakeAws(Fake):
    """with FakeAws() as aws: aws.secret("app/db", string="…")"""

    def words(self):
        return [os.path.join(FAKE, "aws.py")]

    def env(self):
        """Where ESO's variables, too, would point the services."""
        return {f"AWS_{s}_ENDPOINT": self.url
                for s in ("SECRETSMANAGER", "SSM", "STS")}

    def secret(self, name, **more):
        self.control("secret", name=name, **more)

    def parameter(self, name, value, **more):
        self.control("parameter", name=name, value=value, **more)


class FakeVault(Fake):
    """with FakeVault() as vault: vault.put("app/db", {...})"""

    def __init__(self, tls=None, client_ca=False, cert="server", hosts=1,
                 noise=False):
        super().__init__()
        self.tls = tls
        self.cert = cert
        self.hosts = hosts
        self.noise = noise
        self.client_ca = client_ca
        self.log = os.path.join(self.dir, "log")
        self.context = ssl.create_default_context(
            cafile=os.path.join(tls, "ca.pem")) if tls else None

    @property
    def url(self):
        return f"http{'s' if self.tls else ''}://127.0.0.1:{self.port}"

    def words(self):
        words = [os.path.join(FAKE, "vault.py"), "--log", self.log,
                 "--port", str(self.port), "--hosts", str(self.hosts)]
        if self.tls:
            words += ["--cert", f"{self.tls}/{self.cert}.pem", "--key",
                      f"{self.tls}/{self.cert}.key"]
        words += ["--bad-tls"] if self.noise else []
        if self.client_ca:
            words += ["--client-ca", f"{self.tls}/ca.pem"]
        return words

    def put(self, key, data, mount="secret", **more):
        self.control("put", mount=mount, key=key, data=data, **more)

    def delete(self, key, mount="secret"):
        self.control("delete", mount=mount, key=key)

    def login(self, path, **fields):
        self.control("login", path=path, **fields)

    def approle(self):
        self.login("approle", role_id="shop-role", secret_id="shop-secret-id")
        return "shop-role", "shop-secret-id"

    def requests(self):
        """Every request so far, as the fake logged it."""
        try:
            with open(self.log, encoding="utf-8") as f:
                return [json.loads(line) for line in f]
        except FileNotFoundError:
            return []
