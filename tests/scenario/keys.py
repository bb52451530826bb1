#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`nodeseal key` and `nodeseal pubkey`, with a running agent and without."""
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../lib"))
from scenario import NODESEAL, Agent, main, read, wait  # noqa: E402
from sealed import OFFLINE, first_sync, host_file, reboot, state  # noqa: E402
from stores import FakeVault  # noqa: E402
from swtpm import Swtpm  # noqa: E402

KILLS = int(os.environ.get("KILLS", "12"))


def run(a, command, *words, tpm=None):
    extra = ["--tpm", tpm.path] if tpm else []
    return subprocess.run(
        [NODESEAL, command, *words, "--run", a.run, "--state",
         os.path.join(a.base, "state"), *extra],
        capture_output=True, text=True, check=False, timeout=150)


def key(a, *words, status=0, says="", tpm=None):
    out = run(a, "key", *words, tpm=tpm)
    assert out.returncode == status, (words, out)
    assert says in out.stderr, out
    return out.stdout


def slots(a, tpm=None):
    return json.loads(key(a, "list", "-o", "json", tpm=tpm))


def sources(a):
    return [s["source"] for s in slots(a)["slots"]]


def passphrase(a, text="correct horse"):
    path = os.path.join(a.base, "words")
    with open(path, "w", encoding="utf-8") as f:
        os.fchmod(f.fileno(), 0o600)
        f.write(text + "\n")
    return "passphrase-file:" + path


def served(a, value=b"s3cret"):
    """The value is in its file."""
    return wait(lambda: os.path.exists(host_file(a)) and
                read(host_file(a)) == value, 30)


def test_slots_of_a_running_agent():
    with FakeVault() as vault, Agent(csi=False) as a:
        first_sync(a, vault)
        node_key = "file:" + state(a, "node.key")
        was = slots(a)
        assert [s["source"] for s in was["slots"]] == [node_key], was
        assert was["strength"] == "ObfuscationOnly" and was["epoch"] == 1
        assert was["slots"][0]["opened"], was
        key(a, "remove", "1", status=1, says="add another first")
        key(a, "add", node_key, status=1, says="already")
        key(a, "remove", "9", status=1, says="no key slot 9")
        words = passphrase(a)
        table = key(a, "add", words)
        assert words in table and "Passphrase" in table, table
        key(a, "remove", "1")
        assert sources(a) == [words]
        assert a.status()["keyStrength"] == "Passphrase"
        # The file that is gone from the table opens nothing any more.
        vault.stop()
        reboot(a)
        a.start()
        a.ready()
        assert a.status()["cache"]["state"] == "foreign", a.status()
        reboot(a)
        a.flags += ["--key-source", words]
        a.start()
        assert served(a)
        assert a.status()["keySource"] == "passphrase-file"


def test_slots_without_an_agent():
    with FakeVault() as vault, Agent(csi=False) as a:
        first_sync(a, vault)
        reboot(a)
        words = passphrase(a)
        key(a, "add", words)
        assert len(sources(a)) == 2
        st = os.stat(state(a, "keyslots"))
        assert st.st_uid == os.stat(os.path.join(a.base, "state")).st_uid
        assert st.st_mode & 0o777 == 0o600
        key(a, "remove", "1")
        key(a, "rotate", "--epoch", status=3, says="running agent")
        vault.stop()
        a.flags += ["--key-source", words]
        a.start()
        assert served(a)
        # Nobody works beside the agent, even if it is asked elsewhere.
        out = subprocess.run(
            [NODESEAL, "key", "add", "file:" + os.path.join(a.base, "k"),
             "--run", a.base, "--state", os.path.join(a.base, "state")],
            capture_output=True, text=True, check=False)
        assert out.returncode == 3 and "in use" in out.stderr, out
        other = subprocess.run([NODESEAL, "run", *a.flags],
                               capture_output=True, text=True, check=False)
        assert other.returncode == 3 and "in use" in other.stderr, other


def test_locked():
    with FakeVault() as vault, Agent(csi=False) as a:
        first_sync(a, vault)
        reboot(a)
        os.rename(state(a, "node.key"), state(a, "away"))
        out = slots(a)
        assert "node.key" in out["locked"] and len(out["slots"]) == 1, out
        key(a, "add", passphrase(a), status=3, says="locked")
        out = run(a, "pubkey")
        assert out.returncode == 3 and "node.key" in out.stderr, out
        with open(state(a, "away"), "r+b") as f:
            f.write(b"x")
        os.rename(state(a, "away"), state(a, "node.key"))
        key(a, "rotate", status=3, says="does not open")
        with open(state(a, "keyslots"), "r+b") as f:
            f.truncate(40)
        key(a, "list", status=4, says="damaged")


def test_wrong_use():
    with FakeVault() as vault, Agent(csi=False) as a:
        a.ready()
        a.stop()
        shutil.rmtree(os.path.join(a.base, "state"))
        key(a, "list", status=1, says="no agent answers")
        os.mkdir(os.path.join(a.base, "state"), 0o700)
        key(a, "list", status=3, says="no key slots yet")
        for words in ((), ("add",), ("add", "fil:/x"), ("remove", "one"),
                      ("list", "--epoch"), ("turn",), ("rotate", "now"),
                      ("list", "-o", "xml")):
            assert run(a, "key", *words).returncode == 2, words
        assert "usage" in key(a, "--help")
        assert run(a, "pubkey", "-o", "png").returncode == 2


def test_rotation_leaves_no_gap():
    """Values that are in memory alone stay, too; the old key opens nothing."""
    with FakeVault() as vault, Agent() as a:
        first_sync(a, vault, annotations={OFFLINE + "mode": "MemoryOnly"})
        vault.stop()
        old = read(state(a)), read(state(a, "keyslots"))
        before = slots(a), run(a, "pubkey").stdout
        key(a, "rotate")
        after = slots(a)
        assert not after["rotating"] and len(after["slots"]) == 1, after
        assert after["node"] == before[0]["node"]
        assert run(a, "pubkey").stdout == before[1]
        path = a.publish("app", pod="new")
        assert read(os.path.join(path, "password")) == b"s3cret"
        a.unpublish(pod="new")
        for name in ("cache.seal", "cache.seal.prev"):
            assert read(state(a, name)) not in old
        assert read(state(a, "keyslots")) != old[1]


def test_rotation_of_a_running_agent():
    with FakeVault() as vault, Agent(csi=False) as a:
        first_sync(a, vault, interval="1s")
        words = passphrase(a)
        key(a, "add", words)
        os.rename(state(a, "node.key"), state(a, "away"))
        # A slot that cannot be made anew is not silently lost.
        key(a, "rotate", status=1, says="node.key")
        os.rename(state(a, "away"), state(a, "node.key"))
        old = read(state(a))
        key(a, "rotate")
        key(a, "rotate", "--epoch")
        out = slots(a)
        assert out["epoch"] == 2 and not out["rotating"], out
        assert [s["source"] for s in out["slots"]] == [
            "file:" + state(a, "node.key"), words]
        # No write at the store's next answer: the content is the same.
        generation, synced = (a.status()["cache"]["generation"],
                              a.es("app")["lastSync"])
        wait(lambda: a.es("app")["lastSync"] > synced)
        time.sleep(0.5)
        assert a.status()["cache"]["generation"] == generation
        vault.stop()
        reboot(a)
        a.start()
        assert served(a)
        # What was sealed before the rotation is a stranger's now.
        reboot(a)
        for name in ("cache.seal", "cache.seal.prev"):
            with open(state(a, name), "r+b") as f:
                f.truncate(0)
                f.write(old)
        os.unlink(os.path.join(a.base, "state.witness"))
        a.start()
        a.ready()
        assert a.status()["cache"]["state"] == "foreign", a.status()["cache"]


def test_rotation_without_an_agent():
    with FakeVault() as vault, Agent(csi=False) as a:
        first_sync(a, vault)
        vault.stop()
        reboot(a)
        key(a, "rotate")
        assert slots(a)["rotating"]
        key(a, "rotate", status=1, says="has not come to its end")
        a.start()
        assert served(a)
        wait(lambda: not slots(a)["rotating"], 40)
        reboot(a)
        a.start()
        assert served(a)
        assert a.status()["cache"]["state"] == "ok"


def test_rotation_dies_anywhere():
    """kill -9 of all, anywhere in it: the next start serves, and ends it.
    Control: -DWEAKEN_ROTATE_BEFORE."""
    with FakeVault() as vault, Agent(csi=False) as a:
        first_sync(a, vault)
        vault.stop()
        chance = random.Random(7)
        told, died = 0, 0
        for i in range(KILLS):
            words = ("rotate", "--epoch") if i % 3 == 2 else ("rotate",)
            t = threading.Thread(target=run, args=(a, "key", *words))
            t.start()
            # A file takes 0.2 s to gather; two of them end a rotation.
            time.sleep(chance.random() * (0.03 if i % 2 else 1.6))
            a.process.send_signal(signal.SIGKILL)
            a.stop()
            t.join()
            reboot(a)
            # Core ends a moment after its keeper.
            out = wait(lambda: run(a, "key", "list", "-o", "json").stdout)
            died += json.loads(out)["rotating"]
            a.start()
            assert served(a), f"kill {i}"
            cache = a.status()["cache"]
            assert cache["state"] == "ok", (i, cache)
            wait(lambda: not slots(a)["rotating"], 40)
            told += 1
        print(f"# {told} kills, {died} of them in the middle")
        assert died > 0


def test_a_tpm_comes_and_goes():
    with FakeVault() as vault, Swtpm() as tpm, Agent(
            "--tpm", tpm.path, csi=False) as a:
        first_sync(a, vault)
        key(a, "add", "tpm2:0+7", tpm=tpm)
        assert len(tpm.handles(0x01)) == 1
        assert a.status()["keyStrength"] == "ObfuscationOnly"
        key(a, "remove", "1")
        assert a.status()["keyStrength"] == "TPM2"
        key(a, "rotate", tpm=tpm)
        assert tpm.handles(0x80) == []
        vault.stop()
        reboot(a)
        a.flags += ["--key-source", "tpm2:0+7"]
        a.start()
        assert served(a)
        assert a.status()["keySource"] == "tpm2"
        wait(lambda: a.status()["cache"]["state"] == "ok", 40)
        # And back, without an agent.
        reboot(a)
        key(a, "add", "file:" + state(a, "new.key"), tpm=tpm)
        tpm_id = [s["id"] for s in slots(a, tpm)["slots"]
                  if s["source"] == "tpm2:0+7"][0]
        key(a, "remove", str(tpm_id), tpm=tpm)
        assert tpm.handles(0x01) == []
        a.flags += ["--key-source", "file:" + state(a, "new.key")]
        tpm.stop()
        a.start()
        assert served(a)


def test_only_a_tpm_may_seal_it():
    """offline.nodeseal.dev/min-key-source: the weakest slot counts."""
    with FakeVault() as vault, Swtpm() as tpm, Agent(
            "--tpm", tpm.path, "--key-source", "tpm2", csi=False) as a:
        first_sync(a, vault, annotations={OFFLINE + "min-key-source": "tpm2"})
        cache = a.status()["cache"]
        assert cache["state"] == "ok" and cache["problem"] is None, cache
        key(a, "add", passphrase(a), tpm=tpm)
        wait(lambda: a.status()["cache"]["state"] == "partial", 40)
        key(a, "remove", "2")
        wait(lambda: a.status()["cache"]["state"] == "ok", 40)


def test_public_key():
    with FakeVault() as vault, Agent(csi=False) as a:
        first_sync(a, vault)
        text = run(a, "pubkey").stdout
        lines = text.splitlines()
        assert lines[0].startswith("nsk1 ") and len(lines[0]) == 74, text
        assert lines[1].startswith("fingerprint "), text
        as_json = json.loads(run(a, "pubkey", "-o", "json").stdout)
        assert as_json["publicKey"] == lines[0]
        assert "fingerprint " + as_json["fingerprint"] == lines[1]
        drawn = run(a, "pubkey", "-o", "qr").stdout
        assert drawn.endswith(text)
        assert read_qr(drawn[:-len(text)]) == lines[0].replace(
            " ", "").upper()
        reboot(a)
        assert run(a, "pubkey").stdout == text


# --- a reader of one kind of QR code ------------------------------------------

ALPHANUMERIC = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
MASKS = (lambda r, c: (r + c) % 2, lambda r, c: r % 2, lambda r, c: c % 3,
         lambda r, c: (r + c) % 3, lambda r, c: (r // 2 + c // 3) % 2,
         lambda r, c: r * c % 2 + r * c % 3,
         lambda r, c: (r * c % 2 + r * c % 3) % 2,
         lambda r, c: ((r + c) % 2 + r * c % 3) % 2)


def modules(drawn):
    """Dark modules as 1, from half blocks, light ones drawn."""
    rows = []
    for line in drawn.splitlines():
        line = line.removeprefix("\033[40;97m").removesuffix("\033[0m")
        rows.append([0 if ch in "█▀" else 1 for ch in line])
        rows.append([0 if ch in "█▄" else 1 for ch in line])
    quiet = rows[:4] + [r[:4] for r in rows] + [r[-4:] for r in rows]
    assert not any(any(r) for r in quiet)
    size = len(rows[0]) - 8
    return [r[4:-4] for r in rows[4:4 + size]]


def read_qr(drawn):
    """Version 3 (29 x 29), one block, alphanumeric: ISO/IEC 18004."""
    m = modules(drawn)
    n = len(m)
    assert n == 29, n
    bits = [m[8][c] for c in (0, 1, 2, 3, 4, 5, 7, 8)]
    level_mask = int("".join(map(str, bits[:5])), 2) ^ 0b10101
    mask = MASKS[level_mask & 7]

    def function(r, c):
        return (r < 9 and (c < 9 or c > n - 9) or r > n - 9 and c < 9 or
                r == 6 or c == 6 or (20 <= r <= 24 and 20 <= c <= 24))

    stream, up, c = [], True, n - 1
    while c > 0:
        c -= c == 6
        for r in (range(n - 1, -1, -1) if up else range(n)):
            for cc in (c, c - 1):
                if not function(r, cc):
                    stream.append(m[r][cc] ^ (mask(r, cc) == 0))
        up, c = not up, c - 2
    at = 0

    def take(count):
        nonlocal at
        at += count
        return int("".join(map(str, stream[at - count:at])), 2)

    assert take(4) == 2, "not alphanumeric"
    left, text = take(9), ""
    while left > 1:
        v = take(11)
        text += ALPHANUMERIC[v // 45] + ALPHANUMERIC[v % 45]
        left -= 2
    return text + (ALPHANUMERIC[take(6)] if left else "")


if __name__ == "__main__":
    main(globals())
