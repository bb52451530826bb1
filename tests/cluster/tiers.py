#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a stolen token of an agent is worth, tier by tier: with the real token of
an agent's pod every forbidden thing is tried.  The control: without the
admission policies, each thing that they refuse succeeds."""
import base64
import contextlib
import glob
import json
import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../lib"))
from cluster import decode, main, peer, wait  # noqa: E402
from scenario import ROOT  # noqa: E402

DAEMONSET = os.path.join(ROOT, "daemonset")
SYSTEM = "nodeseal-system"
VALUE = "bm90LW91cnM="
TIERS = {"files": [], "sync": ["sync"], "drift": ["sync", "drift"],
         "tokens": ["tokens"], "store-secrets": ["store-secrets"]}
MERGE = "application/merge-patch+json"
APPLY = "application/apply-patch+yaml"
JSON_PATCH = "application/json-patch+json"
MANAGER = "fieldManager=nodeseal/app"
POLICIES = ("nodeseal-account", "nodeseal-reports", "nodeseal-secrets",
            "nodeseal-tokens")
BINDINGS = ("/apis/admissionregistration.k8s.io/v1/"
            "validatingadmissionpolicybindings")


def overlay(name):
    return subprocess.run([peer("kubectl"), "kustomize",
                           f"{DAEMONSET}/overlays/{name}"], check=True,
                          capture_output=True, text=True).stdout


def without_daemonset(text):
    """The agent itself would only be in the way here."""
    return "---\n".join(d for d in text.split("---\n")
                        if "\nkind: DaemonSet\n" not in d)


def secret(name, ns="bound", kind="Opaque", labels=None, annotations=None,
           owner=None):
    meta = {"name": name, "namespace": ns, "labels": labels or {},
            "annotations": annotations or {}}
    if owner:
        meta["ownerReferences"] = [{
            "apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret",
            "name": "app", "uid": "11111111-2222-3333-4444-555555555555"}]
    return {"apiVersion": "v1", "kind": "Secret", "type": kind,
            "metadata": meta, "data": {"k": VALUE}}


OURS = {"nodeseal.dev/managed": "true"}
ADOPT = {"nodeseal.dev/adopt": "true"}
NODE_TOKEN = {"kubernetes.io/service-account.name": "app"}


def fill(c):
    """The same objects before every tier."""
    for ns in ("bound", "free"):
        c.namespace(ns)
        c.apply({"apiVersion": "v1", "kind": "ServiceAccount",
                 "metadata": {"name": "app", "namespace": ns}},
                secret("foreign", ns))
    c.apply(secret("ours", labels=OURS), secret("owned", labels=OURS),
            secret("opened", labels=ADOPT),
            secret("opened-by-annotation", annotations=ADOPT),
            secret("eso", labels={
                "reconcile.external-secrets.io/managed": "true"}),
            secret("token", kind="kubernetes.io/service-account-token",
                   labels=ADOPT, annotations=NODE_TOKEN))


class Thief:
    """Has the token of the agent on one node."""

    def __init__(self, c, token):
        self.c = c
        self.token = token

    def __call__(self, method, path, body=None, content=None):
        status, answer = self.c.request(method, path, body, token=self.token,
                                        content=content)
        text = json.dumps(answer)
        if status >= 400 or method != "GET" and status == 403:
            # Whoever is refused learns nothing.
            assert VALUE not in text, (method, path, text)
        return status, answer


def agent_pod(c, name="thief", account="nodeseal", ns=SYSTEM):
    c.apply({"apiVersion": "v1", "kind": "Pod",
             "metadata": {"name": name, "namespace": ns},
             "spec": {"serviceAccountName": account, "nodeName": c.name,
                      "terminationGracePeriodSeconds": 1,
                      "containers": [{"name": "main", "image": c.busybox(),
                                      "imagePullPolicy": "Never"}]}})
    return c.wait_pod(name, ns)


def pod_ref(pod):
    return ("Pod", pod["metadata"]["name"], pod["metadata"]["uid"])


@contextlib.contextmanager
def tier(c, name):
    """The overlay, bound in namespace `bound`; a Thief."""
    c.kubectl("apply", "--server-side", "-f", os.path.join(ROOT, "crds"))
    text = without_daemonset(overlay(name))
    c.apply(text)
    fill(c)
    for part in TIERS.get(name, ["sync", "drift", "tokens", "store-secrets"]):
        c.kubectl("apply", "-n", "bound", "-f",
                  f"{DAEMONSET}/bind/{part}.yaml")
    wait(lambda: c.exists(f"/api/v1/namespaces/{SYSTEM}/serviceaccounts/"
                          "nodeseal"), 10)
    token = c.token("nodeseal", SYSTEM, bound=pod_ref(agent_pod(c)))
    thief = Thief(c, token)
    in_force(c, thief)
    try:
        yield thief
    finally:
        c.kubectl("delete", "nodeseals", "--all")
        for ns in ("bound", "free", SYSTEM):
            c.kubectl("delete", "rolebindings,secrets,hostprojections",
                      "--all", "-n", ns)


def in_force(c, thief, on=True):
    """New policies take effect after a moment."""
    def seen():
        status, answer = thief(
            "POST", "/apis/nodeseal.dev/v1alpha1/nodeseals?dryRun=All",
            {"apiVersion": "nodeseal.dev/v1alpha1", "kind": "NodeSeal",
             "metadata": {"name": "other-node"}})
        return (status == 403 and "writes the NodeSeal" in
                answer["message"]) if on else status == 201
    wait(seen, 30, 0.1)
    # Each policy is compiled by itself.
    time.sleep(1)


def ns_path(ns, rest):
    return f"/api/v1/namespaces/{ns}/{rest}"


def refused_by_rbac(name):
    """Things that this tier has no permission for."""
    core = "/api/v1"
    can_list = name in ("drift", "store-secrets")
    patch = ("PATCH", {}, MERGE)
    rows = [
        ("GET", f"{core}/secrets", None, None),
        ("GET", f"{core}/secrets?watch=1&timeoutSeconds=1", None, None),
        ("GET", ns_path("free", "secrets"), None, None),
        ("GET", ns_path("free", "secrets/foreign"), None, None),
        ("PATCH", ns_path("free", "secrets/foreign"), {}, MERGE),
        ("POST", ns_path("free", "secrets"), secret("x", "free", labels=OURS),
         None),
        ("DELETE", ns_path("free", "secrets/foreign"), None, None),
        ("DELETE", ns_path("bound", "secrets"), None, None),
        ("PUT", ns_path("bound", "secrets/ours"), secret("ours", labels=OURS),
         None),
        ("POST", ns_path("free", "serviceaccounts/app/token"),
         request_token(["store"]), None),
        ("GET", ns_path("free", "configmaps"), None, None),
        ("PATCH", f"{core}/nodes/node1", {}, MERGE),
        ("PATCH", f"{core}/nodes/node1/status", {}, MERGE),
        ("GET", f"{core}/nodes/node1/proxy/pods", None, None),
        ("POST", ns_path(SYSTEM, "pods/thief/exec?command=id&stdout=1"), None,
         None),
        ("POST", ns_path("bound", "pods"), {
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"},
            "spec": {"containers": [{"name": "c", "image": "x"}]}}, None),
        ("DELETE", ns_path(SYSTEM, "pods/thief"), None, None),
        (patch[0], ns_path(SYSTEM, "pods/thief/ephemeralcontainers"), {},
         MERGE),
        ("PATCH", ns_path(SYSTEM, "serviceaccounts/nodeseal"), {}, MERGE),
        ("PATCH", "/apis/apps/v1/namespaces/nodeseal-system/daemonsets/"
         "nodeseal", {}, MERGE),
        ("POST", "/apis/rbac.authorization.k8s.io/v1/namespaces/bound/"
         "rolebindings", {
             "apiVersion": "rbac.authorization.k8s.io/v1",
             "kind": "RoleBinding", "metadata": {"name": "x"},
             "roleRef": {"apiGroup": "rbac.authorization.k8s.io",
                         "kind": "ClusterRole", "name": "cluster-admin"}},
         None),
        ("DELETE", f"{BINDINGS}/nodeseal-secrets", None, None),
        ("PATCH", "/apis/storage.k8s.io/v1/csidrivers/csi.nodeseal.dev", {},
         MERGE),
        ("POST", "/apis/external-secrets.io/v1/namespaces/bound/"
         "externalsecrets", {}, None),
        ("PATCH", "/apis/external-secrets.io/v1/namespaces/bound/"
         "secretstores/x", {}, MERGE),
        ("POST", "/apis/nodeseal.dev/v1alpha1/namespaces/bound/"
         "hostprojections", {}, None),
        ("DELETE", "/apis/nodeseal.dev/v1alpha1/nodeseals/node1", None, None),
        ("POST", "/apis/authentication.k8s.io/v1/tokenreviews", {}, None),
    ]
    if name != "store-secrets":
        rows += [("GET", ns_path("bound", "secrets/ours"), None, None),
                 ("GET", ns_path("bound", "configmaps"), None, None)]
    if not can_list:
        rows += [("GET", ns_path("bound", "secrets"), None, None),
                 ("GET", ns_path("bound",
                                 "secrets?watch=1&timeoutSeconds=1"), None,
                  None)]
    if name not in ("sync", "drift"):
        rows += [("PATCH", ns_path("bound", "secrets/ours"), {}, MERGE),
                 ("POST", ns_path("bound", "secrets"),
                  secret("x", labels=OURS), None),
                 ("DELETE", ns_path("bound", "secrets/owned"), None, None)]
    if name != "tokens":
        rows += [("POST", ns_path("bound", "serviceaccounts/app/token"),
                  request_token(["store"]), None)]
    return rows


def request_token(audiences, bound=None, seconds=600):
    spec = {"audiences": audiences, "expirationSeconds": seconds}
    if bound:
        spec["boundObjectRef"] = {"apiVersion": "v1", "kind": bound[0],
                                  "name": bound[1], "uid": bound[2]}
    return {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
            "spec": spec}


def seal(name):
    return {"apiVersion": "nodeseal.dev/v1alpha1", "kind": "NodeSeal",
            "metadata": {"name": name}}


SEALS = "/apis/nodeseal.dev/v1alpha1/nodeseals"
PROJECTION = ("/apis/nodeseal.dev/v1alpha1/namespaces/bound/hostprojections/"
              "web/status")


def projection(*nodes):
    return {"status": {"nodes": [{"name": n, "ready": True} for n in nodes]}}


def reports(c):
    c.apply({"apiVersion": "nodeseal.dev/v1alpha1", "kind": "HostProjection",
             "metadata": {"name": "web", "namespace": "bound"},
             "spec": {"path": "web", "externalSecrets": [{"name": "app"}]}})
    c.api("PATCH", PROJECTION, projection("other-node"), content=MERGE)
    c.apply(seal("third-node"))
    return [
        ("POST", SEALS, seal("other-node"), None),
        ("PATCH", f"{SEALS}/third-node", {}, MERGE),
        ("PATCH", f"{SEALS}/third-node/status", {"status": {"ready": True}},
         MERGE),
        ("PATCH", PROJECTION, projection("other-node", "third-node"), MERGE),
        ("PATCH", PROJECTION, {"status": {"nodes": [
            {"name": "other-node", "ready": False}]}}, MERGE),
        ("PATCH", PROJECTION, projection("node1"), MERGE),
    ]


def secrets(_):
    """What the policy refuses where RBAC does not."""
    at = ns_path("bound", "secrets")
    foreign = f"{at}/foreign?{MANAGER}"
    label = {"metadata": {"labels": OURS}}
    return [
        # Patch is read: none of these may answer with the object.
        ("PATCH", foreign + "&dryRun=All", {}, MERGE),
        ("PATCH", foreign, {}, MERGE),
        ("PATCH", foreign, {}, "application/strategic-merge-patch+json"),
        ("PATCH", foreign, [], JSON_PATCH),
        ("PATCH", foreign + "&force=true&dryRun=All", {
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": "foreign", "namespace": "bound"}}, APPLY),
        ("PATCH", foreign + "&dryRun=All", label, MERGE),
        ("PATCH", foreign + "&force=true&dryRun=All", {
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": "foreign", "namespace": "bound",
                         "labels": OURS}}, APPLY),
        # ESO's label opens nothing, except in from-eso.
        ("PATCH", f"{at}/eso?{MANAGER}&dryRun=All", label, MERGE),
        # A key to the cluster stays one, whatever its label.
        ("PATCH", f"{at}/token?{MANAGER}&dryRun=All", label, MERGE),
        ("POST", f"{at}?{MANAGER}&dryRun=All",
         secret("x", labels=OURS, kind="kubernetes.io/service-account-token",
                annotations=NODE_TOKEN), None),
        ("POST", f"{at}?{MANAGER}&dryRun=All",
         secret("x", labels=OURS, kind="bootstrap.kubernetes.io/token"),
         None),
        ("POST", f"{at}?{MANAGER}&dryRun=All", secret("x"), None),
        ("POST", f"{at}?fieldManager=kubectl&dryRun=All",
         secret("x", labels=OURS), None),
        ("PATCH", f"{at}/ours?{MANAGER}&dryRun=All",
         {"metadata": {"labels": {"nodeseal.dev/managed": None}}}, MERGE),
        ("PATCH", f"{at}/ours?fieldManager=kubectl&dryRun=All", {}, MERGE),
        ("DELETE", f"{at}/foreign?dryRun=All", None, None),
        ("DELETE", f"{at}/ours?dryRun=All", None, None),
        ("DELETE", f"{at}/opened?dryRun=All", None, None),
    ]


def tokens(c):
    app = pod_ref(agent_pod(c, "app", "app", "bound"))
    node = c.api("GET", "/api/v1/nodes/node1")["metadata"]
    if not c.exists("/api/v1/nodes/other-node"):
        c.apply({"apiVersion": "v1", "kind": "Node",
                 "metadata": {"name": "other-node"}})
    other = c.api("GET", "/api/v1/nodes/other-node")["metadata"]
    own = c.pod("thief", SYSTEM)
    at = ns_path("bound", "serviceaccounts/app/token")
    # Bound in the agent's own namespace too, as an admin may do by mistake.
    c.kubectl("apply", "-n", SYSTEM, "-f", f"{DAEMONSET}/bind/tokens.yaml")
    return [
        ("POST", at, request_token(["https://kubernetes.default.svc"], app),
         None),
        ("POST", at, request_token(
            ["store", "https://kubernetes.default.svc"], app), None),
        ("POST", at, request_token([], app), None),
        ("POST", at, request_token(["store"]), None),
        ("POST", at, request_token(["store"], app, 7200), None),
        ("POST", at, request_token(
            ["store"], ("Node", "other-node", other["uid"])), None),
        ("POST", at, request_token(["store"], ("Secret", "ours", c.api(
            "GET", ns_path("bound", "secrets/ours"))["metadata"]["uid"])),
         None),
        ("POST", ns_path(SYSTEM, "serviceaccounts/nodeseal/token"),
         request_token(["store"], pod_ref(own)), None),
    ], [
        ("POST", at, request_token(["store"], app), None),
        ("POST", at, request_token(["store"], ("Node", "node1",
                                               node["uid"])), None),
    ]


def says(row, status, answer):
    method, path, body, content = row
    message = answer.get("message") if isinstance(answer, dict) else answer
    return f"{method} {path} {content or ''} {body}: {status} {message}"


def all_refused(thief, rows, words):
    for row in rows:
        status, answer = thief(*row)
        assert status == 403, says(row, status, answer)
        assert any(w in answer["message"] for w in words), says(row, status,
                                                               answer)


def all_allowed(thief, rows):
    for row in rows:
        status, answer = thief(*row)
        assert status < 300, says(row, status, answer)


def control(c, thief, rows):
    """Without the policies the same things succeed."""
    for name in POLICIES:
        c.api("DELETE", f"{BINDINGS}/{name}")
    in_force(c, thief, on=False)
    all_allowed(thief, rows)


POLICY = ("nodeseal: ", "nodeseal:")
RBAC = ("cannot ", "forbidden: User")


def rules(c, thief, ns):
    """SelfSubjectRulesReview: what the token may do, by the API server."""
    answer = c.api("POST", "/apis/authorization.k8s.io/v1/"
                   "selfsubjectrulesreviews", {
                       "apiVersion": "authorization.k8s.io/v1",
                       "kind": "SelfSubjectRulesReview",
                       "spec": {"namespace": ns}}, token=thief.token)
    found = {}
    for rule in answer["status"]["resourceRules"]:
        for resource in rule["resources"]:
            for group in rule["apiGroups"]:
                found.setdefault((group, resource), set()).update(
                    rule["verbs"])
    return found


SECRET_VERBS = {"files": set(), "sync": {"create", "patch", "delete"},
                "drift": {"create", "patch", "delete", "list", "watch"},
                "tokens": set(), "store-secrets": {"get", "list", "watch"}}


def check_rules(c, thief, name):
    """K1: nothing but the table, in any namespace."""
    for ns in ("bound", "free", "kube-system", SYSTEM):
        r = rules(c, thief, ns)
        expected = SECRET_VERBS[name] if ns == "bound" else set()
        assert r.get(("", "secrets"), set()) == expected, (ns, r)
        token = {"create"} if name == "tokens" and ns == "bound" else set()
        assert r.get(("", "serviceaccounts/token"), set()) == token, (ns, r)
        for (_, resource), verbs in r.items():
            assert "*" not in verbs and "*" != resource, (ns, r)
            assert not verbs & {"escalate", "bind", "impersonate",
                                "deletecollection"}, (ns, r)
        # Labels, for a HostProjection's nodeSelector.
        assert r.get(("", "nodes"), set()) <= {"get", "list", "watch"}, (ns, r)
        for resource in ("nodes/proxy", "nodes/status", "pods/exec",
                         "pods/ephemeralcontainers", "pods/portforward"):
            assert ("", resource) not in r, (ns, resource)


def check_reports(c, thief):
    rows = reports(c)
    all_refused(thief, rows, POLICY)
    all_allowed(thief, [
        ("POST", SEALS, seal("node1"), None),
        ("PATCH", f"{SEALS}/node1/status", {"status": {"ready": True}}, MERGE),
        ("PATCH", PROJECTION, projection("other-node", "node1"), MERGE),
        ("PATCH", PROJECTION, {"status": {"nodes": [
            {"name": "other-node", "ready": True},
            {"name": "node1", "ready": False}]}}, MERGE)])
    return rows


def check_token_of_no_pod(c):
    """A token that names no node writes nothing."""
    nobody = Thief(c, c.token("nodeseal", SYSTEM))
    assert "node" not in decode(nobody.token)["kubernetes.io"]
    # Two policies refuse a NodeSeal, and either of them may be the one that is
    # quoted; of an event there is one.
    status, answer = nobody("POST", SEALS, seal("node1"))
    assert status == 403 and "nodeseal: " in answer["message"], answer
    status, answer = nobody("POST", "/api/v1/namespaces/default/events",
                            {"apiVersion": "v1", "kind": "Event",
                             "metadata": {"generateName": "x-",
                                          "namespace": "default"},
                             "involvedObject": {"namespace": "default"}})
    assert status == 403 and "names no node" in answer["message"], answer


def test_tier_files(c):
    with tier(c, "files") as thief:
        check_rules(c, thief, "files")
        all_refused(thief, refused_by_rbac("files"), RBAC)
        check_token_of_no_pod(c)
        rows = check_reports(c, thief)
        control(c, thief, rows)


def test_tier_sync(c):
    with tier(c, "sync") as thief:
        check_rules(c, thief, "sync")
        all_refused(thief, refused_by_rbac("sync"), RBAC)
        rows = secrets(c)
        all_refused(thief, rows, POLICY)
        at = ns_path("bound", "secrets")
        label = {"metadata": {"labels": OURS}}
        all_allowed(thief, [
            ("POST", f"{at}?{MANAGER}", secret("new", labels=OURS,
                                               owner=True), None),
            ("PATCH", f"{at}/new?{MANAGER}&force=true", {
                "apiVersion": "v1", "kind": "Secret", "metadata": {
                    "name": "new", "namespace": "bound", "labels": OURS},
                "data": {"k": "bmV3"}}, APPLY),
            ("PATCH", f"{at}/brand-new?{MANAGER}&force=true", {
                "apiVersion": "v1", "kind": "Secret", "metadata": {
                    "name": "brand-new", "namespace": "bound",
                    "labels": OURS}, "data": {"k": "bmV3"}}, APPLY),
            ("PATCH", f"{at}/ours?{MANAGER}", {}, MERGE),
            ("PATCH", f"{at}/opened?{MANAGER}", label, MERGE),
            ("PATCH", f"{at}/opened-by-annotation?{MANAGER}", label, MERGE),
            ("DELETE", f"{at}/new", None, None)])
        # A write whose answer holds no value, as the agent asks.
        status, answer = c.request(
            "PATCH", f"{at}/ours?{MANAGER}", {}, token=thief.token,
            content=MERGE, accept="application/json;as="
            "PartialObjectMetadata;g=meta.k8s.io;v=v1")
        assert status == 200 and "data" not in answer, answer
        assert base64.b64decode(VALUE).decode() not in json.dumps(answer)
        control(c, thief, rows)


def test_tier_drift(c):
    with tier(c, "drift") as thief:
        check_rules(c, thief, "drift")
        all_refused(thief, refused_by_rbac("drift"), RBAC)
        all_refused(thief, secrets(c), POLICY)


def test_tier_tokens(c):
    with tier(c, "tokens") as thief:
        check_rules(c, thief, "tokens")
        all_refused(thief, refused_by_rbac("tokens"), RBAC)
        refused, allowed = tokens(c)
        all_refused(thief, refused, POLICY)
        all_allowed(thief, allowed)
        answer = thief(*allowed[0])[1]
        assert decode(answer["status"]["token"])["aud"] == ["store"]
        control(c, thief, refused)


def test_tier_store_secrets(c):
    with tier(c, "store-secrets") as thief:
        check_rules(c, thief, "store-secrets")
        all_refused(thief, refused_by_rbac("store-secrets"), RBAC)
        all_allowed(thief, [("GET", ns_path("bound", "secrets/foreign"), None,
                             None)])


def test_from_eso_opens_what_eso_made_and_nothing_else(c):
    with tier(c, "from-eso") as thief:
        at = ns_path("bound", "secrets")
        eso = [r for r in secrets(c) if "/eso?" in r[1]]
        all_allowed(thief, eso)
        all_refused(thief, [r for r in secrets(c) if r not in eso], POLICY)
        assert thief("PATCH", f"{at}/foreign?{MANAGER}", {},
                     MERGE)[0] == 403


def test_every_overlay_is_accepted(c):
    """By the API server itself, as a dry run; and every kind is known."""
    c.apply({"apiVersion": "v1", "kind": "Namespace",
             "metadata": {"name": SYSTEM}})
    for path in sorted(glob.glob(f"{DAEMONSET}/overlays/*")):
        name = os.path.basename(path)
        out = c.kubectl("apply", "--server-side", "--dry-run=server",
                        "--validate=strict", "-f", "-", stdin=overlay(name))
        assert "daemonset.apps/nodeseal serverside-applied" in out, out
        assert out.count("validatingadmissionpolicy.") == len(POLICIES), out
    for path in glob.glob(f"{DAEMONSET}/bind/*.yaml"):
        c.kubectl("apply", "--server-side", "--dry-run=server",
                  "--validate=strict", "-n", "default", "-f", path)
    # The policies' expressions are type-checked by a controller.
    c.apply(without_daemonset(overlay("from-eso")))
    for name in POLICIES:
        status = wait(lambda n=name: checked(c, n), 30)
        warnings = status.get("typeChecking", {}).get("expressionWarnings")
        assert not warnings, (name, warnings)


def checked(c, name):
    """The status of a policy, once it is about this generation."""
    policy = c.api("GET", "/apis/admissionregistration.k8s.io/v1/"
                   f"validatingadmissionpolicies/{name}")
    status = policy.get("status") or {}
    return status.get("observedGeneration") == \
        policy["metadata"]["generation"] and status


if __name__ == "__main__":
    main(globals())
