#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The key source tpm2, against swtpm: a whole TPM 2.0 in a process."""
import contextlib
import os
import shutil
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../lib"))
from scenario import Agent, main, read, wait  # noqa: E402
from sealed import (first_sync, host_file, manifests, reboot, sealed,  # noqa: E402
                    state)
from stores import FakeVault  # noqa: E402
from swtpm import Swtpm  # noqa: E402


@contextlib.contextmanager
def node(*more, recovery=False):
    """A store, a TPM, an agent whose key it keeps."""
    with FakeVault() as vault, Swtpm() as tpm:
        flags = ["--key-source", "tpm2", "--tpm", tpm.path, *more]
        a = Agent(*flags, csi=False)
        if recovery:
            words = os.path.join(a.base, "words")
            with open(words, "w", encoding="utf-8") as f:
                os.fchmod(f.fileno(), 0o600)
                f.write("correct horse\n")
            a.flags += ["--key-source", "passphrase-file:" + words]
        with a:
            yield a, vault, tpm


def served(a):
    return wait(lambda: holds(a, b"s3cret"), 20)


def holds(a, value):
    return os.path.exists(host_file(a)) and read(host_file(a)) == value


def not_served(a, state_name, *words):
    """The agent runs without the cache, and says why."""
    a.ready(30)
    s = a.status()
    assert s["cache"]["state"] == state_name, s["cache"]
    for w in words:
        assert w in s["cache"]["problem"], s["cache"]
    assert s["keySource"] == "memory" and s["keyStrength"] == "None", s
    time.sleep(0.3)
    assert not os.path.exists(host_file(a))


def test_reboot_without_the_store():
    with node() as (a, vault, tpm):
        first_sync(a, vault)
        s = a.status()
        assert s["keySource"] == "tpm2" and s["keyStrength"] == "TPM2", s
        assert not [d for d in s["degraded"] if "TPM" in d], s["degraded"]
        assert not os.path.exists(state(a, "node.key"))
        vault.stop()
        reboot(a)
        tpm.reboot()
        start = time.monotonic()
        a.start()
        assert served(a)
        print(f"# files {time.monotonic() - start:.2f} s after the start")
        # Nothing stays in the TPM but its counter.
        assert tpm.handles(0x80) == [], tpm.handles(0x80)
        assert tpm.handles(0x02) == [], tpm.handles(0x02)
        assert len(tpm.handles(0x01)) == 1


def test_pcrs_have_changed():
    """Control: -DWEAKEN_TPM_PCRS."""
    with node() as (a, vault, tpm):
        first_sync(a, vault)
        vault.stop()
        reboot(a)
        before = read(state(a))
        tpm.reboot()
        tpm.extend(7)
        a.start()
        not_served(a, "foreign", "tpm2:7", "PCRs have changed")
        reboot(a)
        # The machine as it was: nothing was touched meanwhile.
        assert read(state(a)) == before
        tpm.reboot()
        a.start()
        assert served(a)


def test_other_pcrs_do_not_matter():
    with node() as (a, vault, tpm):
        first_sync(a, vault)
        vault.stop()
        reboot(a)
        tpm.reboot()
        tpm.extend(8)
        a.start()
        assert served(a)


def test_recovery_slot():
    """The TPM is another one: the second slot opens, and status says why."""
    with node(recovery=True) as (a, vault, tpm):
        first_sync(a, vault)
        s = a.status()
        assert s["keySource"] == "tpm2", s["keySource"]
        # Either opens it, so a thief takes the easier one.
        assert s["keyStrength"] == "Passphrase", s["keyStrength"]
        vault.stop()
        reboot(a)
        tpm.replace()
        a.start()
        assert served(a)
        s = a.status()
        assert s["keySource"] == "passphrase-file", s
        said = [d for d in s["degraded"] if "not the TPM" in d]
        assert said and "tpm2:7" in said[0], s["degraded"]
        assert [d for d in s["degraded"] if "counter" in d], s["degraded"]


def test_replaced_without_recovery():
    with node() as (a, vault, tpm):
        first_sync(a, vault)
        vault.stop()
        reboot(a)
        tpm.replace()
        a.start()
        not_served(a, "foreign", "not the TPM that sealed")


def test_absent():
    with node() as (a, vault, tpm):
        first_sync(a, vault)
        vault.stop()
        reboot(a)
        tpm.stop()
        a.start()
        not_served(a, "foreign", "tpm2:7", "No such file")
        # It comes back with the next start.
        reboot(a)
        tpm.start()
        a.start()
        assert served(a)


def test_busy():
    """Another program has it, then not any more: patience, then the value."""
    with node() as (a, vault, tpm):
        first_sync(a, vault)
        vault.stop()
        reboot(a)
        with tpm.connect():
            a.start()
            time.sleep(1.5)
            assert not os.path.exists(host_file(a))
        assert served(a)


def test_busy_for_long():
    with node() as (a, vault, tpm):
        first_sync(a, vault)
        vault.stop()
        reboot(a)
        with tpm.connect():
            a.start()
            a.ready(30)
            not_served(a, "foreign", "does not answer")


def test_too_busy_to_begin():
    """A TPM that says TPM_RC_RETRY is asked again."""
    with node() as (a, vault, tpm):
        first_sync(a, vault)
        vault.stop()
        reboot(a)
        with tpm.saying(0x922, times=12):
            a.start()
            assert served(a)


def test_what_it_refuses_is_told_apart():
    cases = ((0x921, "lock-out"), (0x9A2, "password"), (0x101, "failure mode"),
             (0x100, "TPM2_Startup"), (0x185, "switched off"))
    with node() as (a, vault, tpm):
        first_sync(a, vault)
        vault.stop()
        for code, words in cases:
            reboot(a)
            with tpm.saying(code, times=1000):
                a.start()
                not_served(a, "foreign", words)


def test_dictionary_lockout():
    """Who guesses passwords locks others out, not the node.  Control:
    -DWEAKEN_TPM_NODA."""
    with node() as (a, vault, tpm):
        first_sync(a, vault)
        vault.stop()
        reboot(a)
        tpm.lock_out()
        a.start()
        assert served(a)
        said = [d for d in a.status()["degraded"] if "TPM" in d]
        assert said == [], said


def test_whole_disk_put_back():
    """File and witness of an earlier day: the counter knows better.  Control:
    -DWEAKEN_TPM_COUNTER."""
    with node() as (a, vault, tpm):
        first_sync(a, vault)
        reboot(a)
        old = os.path.join(a.base, "old")
        shutil.copytree(os.path.join(a.base, "state"), old)
        shutil.copy2(os.path.join(a.base, "state.witness"), old + ".witness")
        uid = os.stat(state(a)).st_uid
        vault.put("app", {"password": "second"})
        a.start()
        a.ready()
        manifests(a, vault, annotations={"touch": "1"})
        wait(lambda: holds(a, b"second"), 40)
        sealed(a, 2)
        vault.stop()
        reboot(a)
        for name in os.listdir(old):
            shutil.copy2(os.path.join(old, name), state(a, name))
            os.chown(state(a, name), uid, -1)
        shutil.copy2(old + ".witness", os.path.join(a.base, "state.witness"))
        a.start()
        a.ready()
        cache = a.status()["cache"]
        assert cache["state"] == "rolled-back", cache
        assert "counter" in cache["problem"], cache
        time.sleep(0.3)
        assert not os.path.exists(host_file(a))


def test_counter_is_spared():
    """One step for a start, not one for a write."""
    with node() as (a, vault, tpm):
        first_sync(a, vault)
        before = tpm.counter()
        for i in range(2):
            manifests(a, vault, annotations={"touch": str(i)})
            vault.put("app", {"password": f"value {i}"})
            generation = a.status()["cache"]["generation"]
            wait(lambda i=i: holds(a, f"value {i}".encode()), 40)
            sealed(a, generation + 1)
        assert tpm.counter() == before
        reboot(a)
        a.start()
        a.ready()
        manifests(a, vault, annotations={"touch": "x"})
        vault.put("app", {"password": "last"})
        wait(lambda: tpm.counter() == before + 1, 40)


def test_killed_between_file_and_counter():
    """A file that is ahead of its counter is no old one."""
    with node() as (a, vault, tpm):
        first_sync(a, vault)
        reboot(a)
        a.start()
        a.ready()
        was = os.stat(state(a)).st_ino
        # From here on the TPM answers nobody: the next file is written, its
        # step is not taken.
        with tpm.connect():
            vault.put("app", {"password": "second"})
            manifests(a, vault, annotations={"touch": "1"})
            wait(lambda: os.stat(state(a)).st_ino != was, 40)
            a.stop(signo=9)
        reboot(a)
        vault.stop()
        a.start()
        wait(lambda: holds(a, b"second"), 5)
        assert a.status()["cache"]["state"] == "ok"


if __name__ == "__main__":
    main(globals())
