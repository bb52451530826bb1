# SPDX-License-Identifier: Apache-2.0
"""A real OpenBao on loopback, for the scenarios against peers and the bench.

File storage (its development storage reads ten times slower) in a folder of its
own on /dev/shm, one unseal key, a fixed root token, KV version 2 at secret/
and version 1 at kv1/.  Ended by its process id.
"""
import json
import os
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

PEERS = os.environ.get("PEERS", os.path.expanduser("~/.cache/nodeseal-test"))
TOKEN = "root"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class OpenBao:
    """with OpenBao() as bao: bao.put("app/db", {...})"""

    def __init__(self, tls=None, address="127.0.0.1"):
        """tls: a folder with ca.pem, server.pem, server.key, or None."""
        self.tls = tls
        self.address = address
        self.port = free_port()
        scheme = "https" if tls else "http"
        host = "127.0.0.1" if address == "0.0.0.0" else address
        self.url = f"{scheme}://{host}:{self.port}"
        self.dir = tempfile.mkdtemp(prefix="openbao-", dir="/dev/shm")
        self.process = None
        self.unseal_key = None
        self.own_reads = 0
        self.context = (ssl.create_default_context(
            cafile=os.path.join(tls, "ca.pem")) if tls else None)

    def __enter__(self):
        self.start()
        init = self.call("PUT", "sys/init", {"secret_shares": 1,
                                             "secret_threshold": 1})
        self.unseal_key = init["keys"][0]
        self.first = init["root_token"]
        self.unseal()
        self.call("POST", "auth/token/create",
                  {"id": TOKEN, "policies": ["root"], "no_parent": True},
                  token=self.first)
        self.call("POST", "sys/mounts/secret",
                  {"type": "kv", "options": {"version": "2"}})
        self.call("POST", "sys/mounts/kv1",
                  {"type": "kv", "options": {"version": "1"}})
        # A version 2 mount upgrades itself first and refuses writes till then.
        self.retry(lambda: self.put("nodeseal/ready", {"x": "y"}))
        return self

    def __exit__(self, *_):
        self.stop()
        shutil.rmtree(self.dir, ignore_errors=True)

    def start(self):
        tls = ('tls_disable = true' if not self.tls else
               f'tls_cert_file = "{self.tls}/server.pem"\n'
               f'  tls_key_file = "{self.tls}/server.key"')
        config = os.path.join(self.dir, "config.hcl")
        with open(config, "w", encoding="utf-8") as f:
            f.write(f'''storage "file" {{ path = "{self.dir}/data" }}
listener "tcp" {{
  address = "{self.address}:{self.port}"
  {tls}
}}
telemetry {{
  prometheus_retention_time = "24h"
  disable_hostname = true
}}
disable_mlock = true
api_addr = "{self.url}"
log_level = "warn"
''')
        with open(os.path.join(self.dir, "log"), "ab") as log:
            self.process = subprocess.Popen(
                [os.path.join(PEERS, "bao"), "server", f"-config={config}"],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        self.retry(lambda: self.call("GET", "sys/seal-status"))

    def unseal(self):
        self.call("PUT", "sys/unseal", {"key": self.unseal_key})
        self.retry(lambda: self.call("GET", "sys/health"))

    def restart(self):
        """The same data, after a kill."""
        self.stop()
        self.start()
        self.unseal()

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def retry(self, what, seconds=30):
        end = time.monotonic() + seconds
        while True:
            try:
                return what()
            except (OSError, urllib.error.URLError):
                if time.monotonic() > end:
                    raise
                time.sleep(0.1)

    def call(self, method, path, body=None, token=TOKEN, raw=False):
        request = urllib.request.Request(
            f"{self.url}/v1/{path}", method=method,
            data=json.dumps(body).encode() if body is not None else None,
            headers={"X-Vault-Token": token})
        with urllib.request.urlopen(request, timeout=10,
                                    context=self.context) as r:
            text = r.read()
        if raw:
            return text.decode()
        return json.loads(text) if text else None

    def put(self, key, data, mount="secret"):
        if mount == "kv1":
            return self.call("POST", f"{mount}/{key}", data)
        return self.call("POST", f"{mount}/data/{key}", {"data": data})

    def tag(self, key, **tags):
        self.call("POST", f"secret/metadata/{key}", {"custom_metadata": tags})

    def approle(self, name="nodeseal", policy="root", mount="approle"):
        """An AppRole of full rights; (role_id, secret_id)."""
        try:
            self.call("POST", f"sys/auth/{mount}", {"type": "approle"})
        except urllib.error.HTTPError:
            pass
        policies = [policy]
        if policy == "root":
            self.call("PUT", "sys/policies/acl/all", {"policy":
                      'path "*" { capabilities = ["create", "read", "update", '
                      '"delete", "list", "sudo"] }'})
            policies = ["all"]
        self.call("POST", f"auth/{mount}/role/{name}",
                  {"token_policies": policies})
        role = self.call("GET", f"auth/{mount}/role/{name}/role-id")
        secret = self.call("POST", f"auth/{mount}/role/{name}/secret-id", {})
        return role["data"]["role_id"], secret["data"]["secret_id"]

    def kubernetes_auth(self, host, ca, reviewer, mount="kubernetes"):
        """Trust the service accounts of a cluster: its URL, the text of its
        CA, a token that may review tokens."""
        try:
            self.call("POST", f"sys/auth/{mount}", {"type": "kubernetes"})
        except urllib.error.HTTPError:
            pass
        self.call("POST", f"auth/{mount}/config", {
            "kubernetes_host": host, "kubernetes_ca_cert": ca,
            "token_reviewer_jwt": reviewer})

    def counts(self):
        """(requests, logins) since it was started, without these reads."""
        text = self.call("GET", "sys/metrics?format=prometheus", raw=True)
        found = {"vault_core_handle_request_count": 0,
                 "vault_core_handle_login_request_count": 0}
        for line in text.splitlines():
            name = line.split("{")[0].split(" ")[0]
            if name in found:
                found[name] += float(line.rsplit(" ", 1)[1])
        self.own_reads += 1
        return (int(found["vault_core_handle_request_count"]) -
                self.own_reads + 1,
                int(found["vault_core_handle_login_request_count"]))
