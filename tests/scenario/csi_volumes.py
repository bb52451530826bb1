#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""CSI volumes as the kubelet asks for them, without an API server."""
import json
import os
import re
import stat
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../lib"))
from scenario import (Agent, documents, external_secret, fake_store,  # noqa: E402
                      main, read, wait)

KEYS = {"user": "admin", "password": "s3cret"}


def objects(agent, values=None, name="a.yaml", **kwargs):
    agent.manifest(name, documents(
        fake_store(values or KEYS),
        external_secret("app", {k: k for k in KEYS}, **kwargs),
        external_secret("second", {"user": "user", "extra": "password"})))


def mount_of(path):
    with open("/proc/self/mountinfo", encoding="utf-8") as f:
        return [l for l in f if l.split()[4] == path]


def test_publish_reads_and_unpublishes():
    with Agent() as a:
        objects(a)
        a.ready()
        path = a.publish("app")
        assert read(f"{path}/user") == b"admin"
        assert read(f"{path}/password") == b"s3cret"
        assert os.readlink(f"{path}/user") == "..data/user"
        st = os.stat(f"{path}/user")
        assert stat.S_IMODE(st.st_mode) == 0o644 and st.st_uid == 0
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o755
        (line,) = mount_of(path)
        options = line.split()[5].split(",")
        assert {"ro", "nosuid", "nodev", "noexec"} <= set(options), line
        assert " tmpfs " in line, line
        try:
            open(f"{path}/x", "wb")
            raise AssertionError("a volume can be written")
        except OSError as e:
            assert e.errno == 30, e
        (v,) = a.status()["volumes"]
        assert v["path"] == path and v["pod"] == "pod1" and v["files"] == 2, v
        assert a.es("app")["claims"] == ["csi:pod1/secrets"], a.es("app")
        a.unpublish()
        assert not os.path.exists(path) and not mount_of(path)
        a.unpublish()
        assert a.status()["volumes"] == []


def test_items_modes_and_group():
    with Agent() as a:
        objects(a)
        a.ready()
        items = json.dumps([{"key": "user", "path": "db/name", "mode": "0400"},
                            {"key": "password", "path": "db/pw"}])
        path = a.publish("app", attrs={"items": items, "mode": "0604"},
                         extra=["--group", "77"])
        assert read(f"{path}/db/name") == b"admin"
        assert stat.S_IMODE(os.stat(f"{path}/db/name").st_mode) == 0o400
        st = os.stat(f"{path}/db/pw")
        assert stat.S_IMODE(st.st_mode) == 0o604 and st.st_gid == 77
        assert sorted(n for n in os.listdir(path)
                      if not n.startswith("..")) == ["db"]
        other = a.publish("app", pod="pod2", extra=["--group", "78"])
        st = os.stat(f"{other}/user")
        assert stat.S_IMODE(st.st_mode) == 0o640 and st.st_gid == 78


def test_several_external_secrets_and_conflicts():
    with Agent() as a:
        objects(a)
        a.ready()
        out = a.publish("app,second", check=False)
        assert out.returncode == 3, out.stdout
        assert "app" in out.stdout and "second" in out.stdout and \
            "user" in out.stdout, out.stdout
        items = json.dumps([
            {"key": "user", "path": "u1", "externalSecret": "app"},
            {"key": "user", "path": "u2", "externalSecret": "second"}])
        path = a.publish("app,second", attrs={"items": items})
        assert read(f"{path}/u1") == read(f"{path}/u2") == b"admin"


def test_bad_requests_name_what_is_wrong():
    with Agent() as a:
        objects(a)
        a.ready()
        for attrs, word in (
                ({"items": '[{"key":"user","path":"../x"}]'}, "../x"),
                ({"items": '[{"key":"user","path":"/x"}]'}, "/x"),
                ({"items": '[{"key":"user","path":"a"},'
                           '{"key":"password","path":"a"}]'}, "a"),
                ({"mode": "1777"}, "mode"), ({"optional": "maybe"}, "optional"),
                ({"external": "x"}, "external"),
                ({"csi.storage.k8s.io/pod.namespace": ""}, "pod"),
                ({"csi.storage.k8s.io/ephemeral": "false"}, "phemeral")):
            out = a.publish("app", attrs=attrs, check=False)
            assert out.returncode == 3, (attrs, out.stdout)
            assert word in out.stdout, (attrs, out.stdout)
        out = a.publish("app", extra=["--rw"], check=False)
        assert out.returncode == 3 and "readOnly: true" in out.stdout, out
        for target in (a.pods, a.pods + "/../x", "/tmp/x", a.base):
            out = a.csi("publish", "--target", target, "--volume-id", "v",
                        "--attr", "externalSecret=app", "--attr",
                        "csi.storage.k8s.io/pod.namespace=default", "--attr",
                        "csi.storage.k8s.io/pod.name=p", "--attr",
                        "csi.storage.k8s.io/pod.uid=u", "--attr",
                        "csi.storage.k8s.io/ephemeral=true", check=False)
            assert out.returncode == 3, (target, out.stdout)
        assert a.status()["volumes"] == []


def test_rotation_is_one_swap():
    with Agent() as a:
        objects(a)
        a.ready()
        path = a.publish("app")
        before = os.readlink(f"{path}/..data")
        generation = a.status()["volumes"][0]["generation"]
        objects(a, {"user": "admin", "password": "n3w"})
        wait(lambda: read(f"{path}/password") == b"n3w")
        assert os.readlink(f"{path}/..data") != before
        v = a.status()["volumes"][0]
        assert v["generation"] == generation + 1, v
        a.publish("app")
        assert a.status()["volumes"][0]["generation"] == generation + 1


def test_missing_key_fails_and_optional_does_not():
    with Agent() as a:
        objects(a)
        a.ready()
        out = a.publish("nothing", check=False, extra=["--timeout", "3000"])
        assert out.returncode == 14, out.stdout
        assert "nothing" in out.stdout, out.stdout
        path = a.publish("nothing", pod="pod2", attrs={"optional": "true"})
        assert [n for n in os.listdir(path) if not n.startswith("..")] == []
        a.manifest("b.yaml", external_secret("nothing", {"late": "user"}))
        wait(lambda: os.path.exists(f"{path}/late"))
        assert read(f"{path}/late") == b"admin"


def test_publish_waits_for_the_first_sync():
    with Agent() as a:
        a.ready()
        p = subprocess.Popen(["sleep", "0.6"])
        p.wait()
        import threading
        t = threading.Timer(0.7, lambda: objects(a))
        t.start()
        path = a.publish("app", extra=["--timeout", "10000"])
        t.join()
        assert read(f"{path}/user") == b"admin"


def test_status_file_and_stats():
    with Agent() as a:
        objects(a)
        a.ready()
        path = a.publish("app", attrs={"statusFile": "true"})
        s = json.loads(read(f"{path}/..nodeseal/status.json"))
        assert "s3cret" not in json.dumps(s)
        assert s["externalSecrets"][0]["source"] == "live", s
        out = a.csi("stats", "--volume-id", "csi-pod1-secrets", "--target", path)
        assert re.search(r"[Tt]otal", out.stdout), out.stdout
        out = a.csi("stats", "--volume-id", "nope", "--target", path + "x",
                    check=False)
        assert out.returncode == 5, out.stdout


def test_volumes_survive_a_restart_of_the_agent():
    with Agent() as a:
        objects(a)
        a.ready()
        path = a.publish("app")
        assert a.stop() == 0
        assert read(f"{path}/user") == b"admin"
        a.start()
        a.ready()
        assert read(f"{path}/user") == b"admin"
        a.publish("app")
        assert len(mount_of(path)) == 1
        objects(a, {"user": "root", "password": "x"})
        wait(lambda: read(f"{path}/user") == b"root")
        a.unpublish()
        assert not os.path.exists(path)


def test_unpublish_of_what_an_earlier_agent_mounted():
    with Agent() as a:
        objects(a)
        a.ready()
        path = a.publish("app")
        a.stop()
        a.start()
        a.ready()
        a.unpublish()
        assert not os.path.exists(path) and not mount_of(path)


def test_identity_driver_answers():
    with Agent() as a:
        objects(a)
        a.ready()
        out = a.csi("plugin-info", driver="identity.csi.nodeseal.dev")
        assert "identity.csi.nodeseal.dev" in out.stdout, out.stdout
        out = a.csi("info")
        assert "node1" in out.stdout, out.stdout


def reg_info(agent, driver):
    """What the kubelet asks when it finds a registration socket."""
    sock = f"{agent.kubelet}/plugins_registry/{driver}-reg.sock"
    return subprocess.run(
        [os.path.join(os.environ.get("NODESEAL_BUILD", "build"),
                      "test/tools/csi_client"), sock, "reg-info"],
        capture_output=True, text=True, check=False)


def test_registration_sockets():
    agent = Agent()
    for words in (["--bind", agent.pods, agent.pods],
                  ["--make-shared", agent.pods]):
        subprocess.run(["mount", *words], check=True)
    with agent as a:
        a.ready()
        assert not any("shared" in line for line in a.status()["degraded"])
        for driver in ("csi.nodeseal.dev", "identity.csi.nodeseal.dev"):
            out = reg_info(a, driver)
            assert out.returncode == 0, out
            assert driver in out.stdout and "csi.sock" in out.stdout, out


def test_no_registration_where_pods_would_see_no_mount():
    with Agent() as a:		# our mounts are private ones
        objects(a)
        a.ready()
        assert any("shared mount" in line for line in
                   a.status()["degraded"]), a.status()["degraded"]
        for driver in ("csi.nodeseal.dev", "identity.csi.nodeseal.dev"):
            out = reg_info(a, driver)
            assert out.returncode == 7, out
            for word in (driver, a.pods, "not a shared mount",
                         "mountPropagation"):
                assert word in out.stdout, out
        assert "no kubelet is served: " + a.pods in a.log()
        # Whoever is no kubelet may know what he does.
        a.publish("app")
        a.unpublish()


if __name__ == "__main__":
    main(globals())
