#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The CRDs, by the real API server: accepted, and they accept and refuse what
External Secrets Operator's own do, by the objects of the recorded corpus."""
import collections
import glob
import http.client
import json
import os
import ssl
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../lib"))
import corpus  # noqa: E402
from cluster import IP, PORT, ApiError, main, wait  # noqa: E402
from scenario import ROOT  # noqa: E402

CRDS = os.path.join(ROOT, "crds")
ESO = "/apis/external-secrets.io/v1"
OURS = "/apis/nodeseal.dev/v1alpha1"
GENERATORS = "/apis/generators.external-secrets.io/v1alpha1"
PATHS = {"ExternalSecret": f"{ESO}/namespaces/default/externalsecrets",
         "SecretStore": f"{ESO}/namespaces/default/secretstores",
         "ClusterSecretStore": f"{ESO}/clustersecretstores",
         "HostProjection": f"{OURS}/namespaces/default/hostprojections",
         "NodeSeal": f"{OURS}/nodeseals",
         "Fake": f"{GENERATORS}/namespaces/default/fakes",
         "Password": f"{GENERATORS}/namespaces/default/passwords",
         "UUID": f"{GENERATORS}/namespaces/default/uuids"}
# Every case with a refusal, and of the others one in so many.
SAMPLE = 5


def install(c):
    c.kubectl("apply", "--server-side", "-f", CRDS)
    c.kubectl("wait", "--for=condition=Established", "crd", "--all",
              "--timeout=30s")


def make(c, kind, spec=None, name="x", group="external-secrets.io/v1",
         dry_run=True, **more):
    """What the API server would store."""
    body = {"apiVersion": group, "kind": kind, "metadata": {"name": name},
            **({"spec": spec} if spec is not None else {}), **more}
    return c.api("POST", PATHS[kind] + "?fieldValidation=Strict" +
                 ("&dryRun=All" if dry_run else ""), body)


def refused(c, word, kind, spec=None, **more):
    try:
        make(c, kind, spec, **more)
    except ApiError as e:
        assert e.code in (400, 422) and word in e.message, e
        return
    raise AssertionError(f"accepted: {kind} {spec} {more}")


def test_accepted_without_a_word(c):
    install(c)
    for path in sorted(glob.glob(f"{CRDS}/*.yaml")):
        name = os.path.basename(path)[:-len(".yaml")]
        crd = wait(lambda n=name: established(c, n), 10)
        conditions = {x["type"]: x for x in crd["status"]["conditions"]}
        # Structural, and no name is taken.
        assert "NonStructuralSchema" not in conditions, conditions
        assert conditions["NamesAccepted"]["status"] == "True", conditions
    # Again, as an upgrade would: nothing changes.
    assert "serverside-applied" in c.kubectl("apply", "--server-side", "-f",
                                             CRDS)


def established(c, name):
    crd = c.api("GET", "/apis/apiextensions.k8s.io/v1/"
                f"customresourcedefinitions/{name}")
    return any(x["type"] == "Established" and x["status"] == "True"
               for x in crd.get("status", {}).get("conditions", [])) and crd


DATA = [{"secretKey": "k", "remoteRef": {"key": "k"}}]


def test_external_secret(c):
    install(c)
    stored = make(c, "ExternalSecret", {"data": DATA})["spec"]
    assert stored["refreshInterval"] == "1h0m0s" and stored["target"] == {
        "creationPolicy": "Owner", "deletionPolicy": "Retain"}, stored
    # Since 2.9 ESO sets no default of a strategy.
    assert stored["data"] == DATA, stored
    refused(c, "unknown field", "ExternalSecret", {"data": DATA, "dta": 1})
    refused(c, "either data or dataFrom", "ExternalSecret", {})
    refused(c, "either data or dataFrom", "ExternalSecret", {"data": []})
    refused(c, "Please set creationPolicy=Owner", "ExternalSecret", {
        "data": DATA, "target": {"creationPolicy": "Merge",
                                 "deletionPolicy": "Delete"}})
    refused(c, "no Secret to merge with", "ExternalSecret", {
        "data": DATA, "target": {"creationPolicy": "None",
                                 "deletionPolicy": "Merge"}})
    refused(c, "cannot be set at the same time", "ExternalSecret", {
        "dataFrom": [{"extract": {"key": "a"}, "find": {"path": "b"}}]})
    refused(c, "either extract, find, or sourceRef", "ExternalSecret", {
        "dataFrom": [{"rewrite": []}]})
    refused(c, "bootstrap.kubernetes.io/token", "ExternalSecret", {
        "data": DATA, "target": {"template": {
            "type": "bootstrap.kubernetes.io/token"}}})
    refused(c, "service-account.name", "ExternalSecret", {
        "data": DATA, "target": {"template": {
            "type": "kubernetes.io/service-account-token", "metadata": {
                "annotations": {"kubernetes.io/service-account.name": "x"}}}}})
    refused(c, "engineVersion", "ExternalSecret", {
        "data": DATA, "target": {"template": {"engineVersion": "v1"}}})
    refused(c, "secretKey", "ExternalSecret", {
        "data": [{"secretKey": "a b", "remoteRef": {"key": "k"}}]})


def test_stores(c):
    install(c)
    for kind in ("SecretStore", "ClusterSecretStore"):
        vault = make(c, kind, {"provider": {"vault": {
            "server": "https://v", "auth": {"appRole": {
                "roleId": "r", "secretRef": {"name": "s", "key": "k"}}}}}})
        vault = vault["spec"]["provider"]["vault"]
        assert vault["version"] == "v2", vault
        assert vault["auth"]["appRole"]["path"] == "approle", vault
        # What is not served yet is kept, whole.
        aws = {"service": "SecretsManager", "region": "eu", "auth": {
            "secretRef": {"accessKeyIDSecretRef": {"name": "a", "key": "b"}}}}
        assert make(c, kind, {"provider": {"aws": aws}})["spec"]["provider"][
            "aws"] == aws
        refused(c, "provider", kind, {})
        refused(c, "at least 1 prop", kind, {"provider": {}})
        refused(c, "must have at most 1", kind,
                {"provider": {"fake": {"data": []}, "aws": aws}})
        refused(c, "server", kind, {"provider": {"vault": {"path": "x"}}})
        refused(c, "unknown field", kind, {"provider": {"vault": {
            "server": "https://v", "atuh": {}}}})
        refused(c, "unknown field", kind, {"provider": {"vualt": {}}})
        refused(c, "one of appRole, tokenSecretRef", kind, {"provider": {
            "openBao": {"server": "https://b", "auth": {}}}})
        refused(c, "caBundle or caProvider", kind, {"provider": {"openBao": {
            "server": "https://b", "caBundle": "eA==", "caProvider": {
                "type": "Secret", "name": "x"}, "auth": {"tokenSecretRef": {
                    "name": "x", "key": "y"}}}}})
        for interval in (30, "30s"):
            make(c, kind, {"refreshInterval": interval,
                           "provider": {"fake": {"data": []}}})
        assert make(c, kind, {"provider": {"kubernetes": {"auth": {
            "serviceAccount": {"name": "x"}}}}})["spec"]["provider"][
                "kubernetes"]["remoteNamespace"] == "default"


def test_both_stores_say_the_same(c):
    install(c)
    specs = [c.api("GET", "/apis/apiextensions.k8s.io/v1/"
                   f"customresourcedefinitions/{n}.external-secrets.io")[
                       "spec"]["versions"][0]["schema"]["openAPIV3Schema"][
                           "properties"]["spec"]
             for n in ("secretstores", "clustersecretstores")]
    assert specs[0] == specs[1]


def test_generators(c):
    install(c)
    group = "generators.external-secrets.io/v1alpha1"
    stored = make(c, "Password", {}, group=group)["spec"]
    assert stored == {"length": 24, "noUpper": False,
                      "allowRepeat": False, "encoding": "raw"}, stored
    refused(c, "length", "Password", {"length": 0}, group=group)
    refused(c, "encoding", "Password", {"encoding": "rot13"}, group=group)
    make(c, "Fake", {"data": {"a": "b"}}, group=group)
    make(c, "UUID", {}, group=group)
    refused(c, "unknown field", "Fake", {"dta": {}}, group=group)


def test_host_projection(c):
    install(c)
    group = "nodeseal.dev/v1alpha1"
    es = [{"name": "web"}]
    stored = make(c, "HostProjection", {"path": "web/tls",
                                        "externalSecrets": es}, group=group)
    assert stored["spec"]["mode"] == "0600" and stored["spec"]["uid"] == 0
    for path in ("/etc", "../x", "a/../b", "a//b", "", "..data", "a/./b",
                 "a\nb"):
        refused(c, "path", "HostProjection", {
            "path": path, "externalSecrets": es}, group=group)
    refused(c, "externalSecrets", "HostProjection", {
        "path": "a", "externalSecrets": []}, group=group)
    refused(c, "mode", "HostProjection", {
        "path": "a", "externalSecrets": es, "mode": "1777"}, group=group)
    refused(c, "Duplicate", "HostProjection", {
        "path": "a", "externalSecrets": [{"name": "web", "items": [
            {"key": "a", "path": "same"}, {"key": "b", "path": "same"}]}]},
            group=group)


def test_node_seal(c):
    install(c)
    group = "nodeseal.dev/v1alpha1"
    make(c, "NodeSeal", name="node1", group=group, dry_run=False)
    at = f"{PATHS['NodeSeal']}/node1/status"
    merge = "application/merge-patch+json"
    status = {"node": "node1", "ready": True, "keySource": "file:/k",
              "counts": {"live": 3, "stale": 1, "failed": 0, "volumes": 7},
              "externalSecrets": [{"namespace": "shop", "name": "db"}]}
    c.api("PATCH", at, {"status": status}, content=merge)
    table = c.kubectl("get", "nodeseals").splitlines()
    assert table[0].split()[:6] == ["NAME", "READY", "LIVE", "STALE", "FAILED",
                                    "VOLUMES"], table
    assert table[1].split()[:6] == ["node1", "true", "3", "1", "0", "7"], table
    for wrong, word in (
            ({"node": "node2"}, "named like its node"),
            ({"memoryProtection": "some"}, "memoryProtection"),
            ({"externalSecrets": [{"namespace": "a", "name": str(i)}
                                  for i in range(51)]}, "externalSecrets"),
            ({"externalSecrets": [{"namespace": "a", "name": "b"}] * 2},
             "Duplicate")):
        try:
            c.api("PATCH", at, {"status": wrong}, content=merge)
            raise AssertionError(f"accepted: {wrong}")
        except ApiError as e:
            assert e.code == 422 and word in e.message, e
    # The kind's own name is the name of nothing else.
    assert "node1" in c.kubectl("get", "nodeseal", "node1")
    c.kubectl("delete", "nodeseal", "node1")


class Line:
    """One connection for thousands of requests."""

    def __init__(self, c):
        context = ssl.create_default_context(cafile=f"{c.pki}/ca.crt")
        context.load_cert_chain(f"{c.pki}/admin.crt", f"{c.pki}/admin.key")
        self.http = http.client.HTTPSConnection(IP, PORT, context=context)

    def create(self, o):
        """None, or why the API server refuses it."""
        meta = {"name": o["metadata"]["name"],
                "annotations": o["metadata"].get("annotations", {})}
        self.http.request(
            "POST", PATHS[o["kind"]] + "?dryRun=All",
            json.dumps({**o, "metadata": meta}),
            {"Content-Type": "application/json"})
        answer = self.http.getresponse()
        body = json.loads(answer.read())
        return None if answer.status < 300 else body["message"]


def corpus_objects():
    """(object, what refused it in ESO: None, "crd-schema" or "webhook", the
    words), each object once."""
    seen = set()
    for i, line in enumerate(corpus.load(
            os.path.join(ROOT, "tests/vector/corpus"), None)):
        admission = {a["object"]: a
                     for a in line["expect"].get("admission") or []}
        if not admission and i % SAMPLE:
            continue
        for o in line["case"]["objects"]:
            if o["kind"] not in PATHS:
                continue
            text = json.dumps([o["kind"], o.get("spec")], sort_keys=True)
            if text in seen:
                continue
            seen.add(text)
            a = admission.get(f"{o['kind']}/{o['metadata']['name']}", {})
            yield o, a.get("by"), a.get("message", "")


def test_the_corpus_is_accepted_and_refused_as_by_eso(c):
    install(c)
    line, counts = Line(c), collections.Counter()
    for o, by, words in corpus_objects():
        why = line.create(o)
        counts[by, why is None] += 1
        if by is None:
            assert why is None, (why, o)
        elif by == "crd-schema":
            # The API server adds that it left out the rules (ESO has none).
            detail = words.split("is invalid: ")[1].strip("[]")
            assert why and detail in why, (why, words)
        else:
            # A webhook's rule that a schema can say too, in its words; what
            # it cannot is the agent's to say.
            assert why is None or words in why, (why, words)
    print("# (refused in ESO by, accepted here): objects", dict(counts))
    assert counts[None, True] > 1000 and counts["crd-schema", False] > 0


if __name__ == "__main__":
    main(globals())
