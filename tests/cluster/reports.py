#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the agent tells a real API server, with tier sync's real token under the
admission policies: statuses, the NodeSeal, HostProjections, events, metrics."""
import base64
import contextlib
import json
import os
import re
import sys
import tempfile
import time
import urllib.error
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../lib"))
import tiers  # noqa: E402
from cluster import main  # noqa: E402
from scenario import (Agent, external_secret, fake_store,  # noqa: E402
                      host_projection, wait)

ESO = "/apis/external-secrets.io/v1"
OURS = "/apis/nodeseal.dev/v1alpha1"
AGENT = "system:serviceaccount:nodeseal-system:nodeseal"
PORT = 18080


def kubeconfig(c, token):
    return json.dumps({
        "apiVersion": "v1", "kind": "Config", "current-context": "test",
        "clusters": [{"name": "test", "cluster": {
            "server": c.api_url,
            "certificate-authority-data":
                base64.b64encode(c.ca().encode()).decode()}}],
        "users": [{"name": "agent", "user": {"token": token}}],
        "contexts": [{"name": "test", "context": {
            "cluster": "test", "user": "agent"}}]})


class Node(Agent):
    """The agent of node1 on the API server instead of a folder."""

    def __init__(self, c, token, *flags):
        super().__init__("--no-csi", "--claim-unclassed", "--listen",
                         f"127.0.0.1:{PORT}", *flags, csi=False)
        at = self.flags.index("--manifests")
        self.config = tempfile.NamedTemporaryFile("w", suffix=".kubeconfig")
        self.config.write(kubeconfig(c, token))
        self.config.flush()
        self.flags[at:at + 2] = ["--kubeconfig", self.config.name]

    def stop(self, *args, **more):
        self.config.close()
        return super().stop(*args, **more)


def get(path):
    """(status, text) of the agent's own server."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{PORT}{path}",
                                    timeout=5) as r:
            return r.status, r.read().decode()
    except urllib.error.HTTPError as e:
        return e.code, e.read().decode()
    except OSError as e:
        return 0, str(e)


@contextlib.contextmanager
def reporting(c, *objects, tier="sync"):
    with tiers.tier(c, tier) as thief:
        c.apply(*objects)
        try:
            with Node(c, thief.token) as a:
                wait(lambda: get("/readyz")[0] == 200, 30)
                yield a
        finally:
            c.kubectl("delete", "--all", "-n", "bound",
                      "externalsecrets,secretstores,hostprojections,events")


def status(c, plural, name, ns="bound"):
    o = c.api("GET", f"{ESO}/namespaces/{ns}/{plural}/{name}")
    return o.get("status") or {}


def condition(found, kind="Ready"):
    for x in found.get("conditions") or []:
        if x["type"] == kind:
            return x
    return None


def seal(c):
    code, o = c.request("GET", f"{OURS}/nodeseals/node1")
    return o.get("status") or {} if code == 200 else {}


def app(name="app", key="k", **more):
    return external_secret(name, {"password": key}, ns="bound", **more)


def used(*names):
    """A HostProjection: what nobody uses is not fetched."""
    return host_projection("web", names, "web", ns="bound",
                           externalSecrets=[
                               {"name": n, "optional": True, "items": [
                                   {"key": "password", "path": n}]}
                               for n in names])


STORE = fake_store({"k": "s3cr3t-v4lue"}, ns="bound")


def test_statuses_are_accepted(c):
    with reporting(c, STORE, app(), used("app")):
        ready = wait(lambda: condition(status(c, "externalsecrets", "app")),
                     20)
        assert ready["status"] == "True", ready
        assert ready["reason"] == "SecretSynced", ready
        assert ready["message"] == "secret synced", ready
        found = status(c, "externalsecrets", "app")
        o = c.api("GET", f"{ESO}/namespaces/bound/externalsecrets/app")
        assert found["refreshTime"] == ready["lastTransitionTime"], found
        assert re.fullmatch(r"%d-[0-9a-f]{56}" % o["metadata"]["generation"],
                            found["syncedResourceVersion"]), found
        ready = wait(lambda: condition(status(c, "secretstores", "store")), 20)
        assert (ready["status"], ready["reason"], ready["message"]) == (
            "True", "Valid", "store validated"), ready
        assert status(c, "secretstores", "store")["capabilities"] == \
            "ReadWrite"
        columns = c.kubectl("get", "externalsecrets", "app", "-n", "bound",
                            "--no-headers").split()
        assert columns[:6] == ["app", "SecretStore", "store", "1h",
                               "SecretSynced", "True"], columns

        def entry():
            hp = c.api("GET", f"{OURS}/namespaces/bound/hostprojections/web")
            nodes = hp.get("status", {}).get("nodes") or [{}]
            return nodes[0].get("ready") and (nodes, hp)
        nodes, hp = wait(entry, 20)
        assert len(nodes) == 1 and nodes[0]["name"] == "node1", nodes
        assert nodes[0]["files"] == 1 and nodes[0]["publishedAt"], nodes
        row = c.kubectl("get", "hostprojections", "-n", "bound",
                        "--no-headers").split()
        assert row[:2] == ["web", "web"] and len(row) == 3, row
        c.apply(host_projection("other", ["missing"], "other", ns="bound"))

        def waiting():
            row = c.kubectl("get", "hostprojections", "other", "-n", "bound",
                            "--no-headers")
            return "node1" in row and row
        row = wait(waiting, 20)
        assert row.split()[2] == "node1" and "missing" in row, row
        managers = {m["manager"] for m in hp["metadata"]["managedFields"]
                    if m.get("subresource") == "status"}
        assert managers == {"nodeseal/node1"}, managers


def test_the_nodeseal_and_its_columns(c):
    with reporting(c, STORE, app(), app("broken", "nope"),
                   used("app", "broken")):
        found = wait(lambda: (seal(c).get("counts") or {}).get("live") == 1 and
                     seal(c)["counts"]["failed"] == 1 and seal(c), 30)
        assert found["node"] == "node1" and found["ready"] is True, found
        assert found["mode"] == "cluster", found
        assert found["counts"]["externalSecrets"] == 2, found
        # Who needs somebody comes first.
        assert [e["name"] for e in found["externalSecrets"]] == [
            "broken", "app"], found
        assert condition(found)["status"] == "True", found
        head, row = c.kubectl("get", "nodeseals").splitlines()
        assert head.split() == ["NAME", "READY", "LIVE", "STALE", "FAILED",
                                "VOLUMES", "KEY", "STRENGTH",
                                "PROTECTION", "OLDEST", "AGE"], head
        assert row.split()[:8] == ["node1", "true", "1", "0", "1", "0",
                                   "file", "ObfuscationOnly"], row
        assert "s3cr3t-v4lue" not in json.dumps(found)


def test_failures_have_events(c):
    with reporting(c, STORE, app("broken", "nope"), used("broken")):
        ready = wait(lambda: condition(status(c, "externalsecrets",
                                              "broken")), 20)
        assert (ready["status"], ready["reason"], ready["message"]) == (
            "False", "SecretSyncedError",
            "could not get secret data from provider"), ready
        assert "refreshTime" not in status(c, "externalsecrets", "broken") or \
            not status(c, "externalsecrets", "broken")["refreshTime"]
        found = wait(lambda: [e for e in c.api(
            "GET", "/api/v1/namespaces/bound/events")["items"]
            if e["reason"] == "UpdateFailed"], 20)
        (event,) = found
        assert event["type"] == "Warning", event
        assert event["source"] == {"component": "external-secrets",
                                   "host": "node1"}, event
        text = c.kubectl("describe", "externalsecret", "broken", "-n",
                         "bound")
        assert "UpdateFailed" in text and "spec.data[0]" in text, text
        # The same failure again is no news.
        time.sleep(8)
        assert len(c.api("GET", "/api/v1/namespaces/bound/events")[
            "items"]) == len(found)


def user(c, names):
    """A pod that waits for these Secrets."""
    return {"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "user", "namespace": "bound"},
            "spec": {"nodeName": c.name, "terminationGracePeriodSeconds": 1,
                     "containers": [{
                         "name": "main", "image": c.busybox(),
                         "imagePullPolicy": "Never", "envFrom": [
                             {"secretRef": {"name": n}} for n in names]}]}}


def writes(c, since):
    """The agent's writes that the audit log has, but for TokenRequests."""
    return [e for e in c.audit(AGENT) if e["requestReceivedTimestamp"] > since
            and e["verb"] not in ("get", "list", "watch")]


def now():
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())


def test_one_write_each_and_nothing_when_idle(c):
    names = [f"es-{i:02}" for i in range(40)]
    with reporting(c, STORE, *[app(n) for n in names], user(c, names)):
        begin = now()
        for n in names:
            wait(lambda n=n: condition(status(c, "externalsecrets", n)), 30)
        # The NodeSeal keeps its distance of ten seconds.
        wait(lambda: (seal(c).get("counts") or {}).get("live") == 40, 40)
        time.sleep(13)
        before = now()
        time.sleep(15)
        idle = writes(c, before)
        assert idle == [], [e["requestURI"] for e in idle]
        mine = [e for e in c.audit(AGENT)
                if e.get("objectRef", {}).get("resource") == "externalsecrets"
                and e["verb"] == "patch"
                and e["objectRef"]["name"] in names]
        counts = {n: sum(e["objectRef"]["name"] == n for e in mine)
                  for n in names}
        assert set(counts.values()) == {1}, counts
        assert all(e["responseStatus"]["code"] == 200 for e in mine)
        assert status(c, "externalsecrets", names[0])["binding"] == {
            "name": names[0]}
        created = [e for e in c.api(
            "GET", "/api/v1/namespaces/bound/events")["items"]
            if e["reason"] == "Created"
            and e["involvedObject"]["kind"] == "ExternalSecret"]
        assert 1 <= len(created) <= 4, [(e["metadata"]["name"], e["message"])
                                        for e in created]
        print(f"# {created[0]['message']}")
        print(f"# 40 statuses; {len(writes(c, begin))} writes since the "
              "first was looked at")
        c.delete("pod", "user", "bound")


def test_metrics_and_probes(c):
    with reporting(c, STORE, app(), used("app")) as a:
        wait(lambda: condition(status(c, "externalsecrets", "app")), 20)
        code, text = get("/metrics")
        assert code == 200
        for line in (
                'externalsecret_sync_calls_total{name="app",'
                'namespace="bound"} 1',
                'externalsecret_status_condition{name="app",namespace="bound"'
                ',condition="Ready",status="True"} 1',
                'secretstore_status_condition{name="store",namespace="bound",'
                'condition="Ready",status="True"} 1',
                'nodeseal_core_up 1', 'nodeseal_ready 1',
                'nodeseal_api_connected 1',
                'nodeseal_values{source="live"} 1'):
            assert line in text.splitlines(), (line, text)
        assert re.search(r'nodeseal_api_requests_total\{verb="patch",'
                         r'resource="externalsecrets/status"\} 1\b', text), text
        assert "s3cr3t-v4lue" not in text
        check_format(text)
        assert get("/livez") == (200, "ok\n")
        assert get("/readyz") == (200, "ok\n")
        c.kill("kube-apiserver")
        try:
            wait(lambda: "nodeseal_api_connected 0" in get("/metrics")[1], 30)
            # Away is not unready: what is held is served.
            assert get("/readyz") == (200, "ok\n")
            assert any("API server" in x for x in a.status()["degraded"])
        finally:
            c.run("kube-apiserver")
            wait(lambda: c.probe("/readyz"), 60, 0.1)
        wait(lambda: "nodeseal_api_connected 1" in get("/metrics")[1], 60)


SAMPLE = re.compile(r'([a-zA-Z_:][a-zA-Z0-9_:]*)'
                    r'(\{([a-zA-Z_][a-zA-Z0-9_]*="([^"\\\n]|\\.)*",?)*\})? '
                    r'[-+0-9.eE]+(Inf|NaN)?')


def check_format(text):
    """Prometheus' text format 0.0.4: each name once, its type before it."""
    kinds, ended, last = {}, set(), None
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            name, kind = line.split()[2:]
            assert name not in kinds, name
            kinds[name] = kind
        if line.startswith("#"):
            continue
        m = SAMPLE.fullmatch(line)
        assert m, line
        name = m.group(1)
        for tail in ("_bucket", "_sum", "_count"):
            if kinds.get(name.removesuffix(tail)) == "histogram":
                name = name.removesuffix(tail)
        assert name in kinds, line
        if name != last:
            assert name not in ended, f"{name} stands in two places"
            ended.add(last)
            last = name


def test_what_is_refused_is_named(c):
    """A cluster whose admin took the right to write statuses away."""
    with tiers.tier(c, "sync") as thief:
        role = c.api("GET", "/apis/rbac.authorization.k8s.io/v1/clusterroles/"
                     "nodeseal-files")
        rules = [r for r in role["rules"]
                 if "externalsecrets/status" not in r["resources"]]
        c.api("PUT", "/apis/rbac.authorization.k8s.io/v1/clusterroles/"
              "nodeseal-files", {**role, "rules": rules})
        c.apply(STORE, app(), used("app"))
        begin = now()
        try:
            with Node(c, thief.token) as a:
                wait(a.status, 10)
                line = wait(lambda: [x for x in a.status()["degraded"]
                                     if "externalsecrets/status" in x or
                                     "status of ExternalSecret" in x], 30)[0]
                assert "may not patch" in line and "daemonset/" in line, line
                found = wait(lambda: (seal(c).get("degraded") or []) and
                             seal(c), 30)
                assert any("status of" in x for x in found["degraded"]), found
                # Once, not in a loop.
                time.sleep(5)
                refused = [e["requestURI"] for e in writes(c, begin)
                           if e["responseStatus"].get("code") == 403]
                assert 1 <= len(refused) <= 4, refused
        finally:
            c.kubectl("delete", "--all", "-n", "bound",
                      "externalsecrets,secretstores,hostprojections")


if __name__ == "__main__":
    main(globals())
