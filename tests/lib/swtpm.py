# SPDX-License-Identifier: Apache-2.0
"""A software TPM 2.0 (swtpm(8)) behind a unix socket, and what an operator or
the machine itself would do to it: raw commands of the TPM 2.0 Library, part 3.
"""
import contextlib
import os
import shutil
import socket
import struct
import subprocess
import tempfile
import threading

from scenario import wait

RH_LOCKOUT = 0x4000000A
RS_PW = 0x40000009
SESSIONS, NO_SESSIONS = 0x8002, 0x8001
STARTUP, SHUTDOWN, CLEAR = 0x144, 0x145, 0x126
EXTEND, CAPABILITY, DA_PARAMETERS = 0x182, 0x17A, 0x13A


class Swtpm:
    def __init__(self):
        self.base = tempfile.mkdtemp(prefix="nodeseal-tpm-")
        self.path = os.path.join(self.base, "tpm")
        self.store = os.path.join(self.base, "store")
        os.mkdir(self.store)
        self.process = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()
        shutil.rmtree(self.base, ignore_errors=True)

    def start(self):
        self.process = subprocess.Popen(
            ["swtpm", "socket", "--tpm2", "--tpmstate", f"dir={self.store}",
             "--server", f"type=unixio,path={self.path}", "--flags",
             "not-need-init,startup-clear"], stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        wait(self.answers)

    def answers(self):
        try:
            self.connect().close()
        except OSError:
            return False
        return True

    def stop(self):
        """The power goes."""
        if self.process:
            self.process.kill()
            self.process.wait()
        self.process = None
        if os.path.exists(self.path):
            os.unlink(self.path)

    def reboot(self):
        self.command(SHUTDOWN, struct.pack(">H", 0))
        self.stop()
        self.start()

    def replace(self):
        """Another chip."""
        self.stop()
        shutil.rmtree(self.store)
        os.mkdir(self.store)
        self.start()

    def connect(self):
        s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        s.settimeout(10)
        s.connect(self.path)
        return s

    def command(self, code, body=b"", handles=b"", password=None, check=True):
        """The response's code and body."""
        auth = b""
        if password is not None:
            one = (struct.pack(">IHBH", RS_PW, 0, 0, len(password)) +
                   password)
            auth = struct.pack(">I", len(one)) + one
        tag = NO_SESSIONS if password is None else SESSIONS
        rest = handles + auth + body
        with self.connect() as s:
            s.sendall(struct.pack(">HII", tag, 10 + len(rest), code) + rest)
            data = s.recv(4096)
        rc = struct.unpack(">I", data[6:10])[0]
        assert not check or rc == 0, f"TPM command 0x{code:x}: 0x{rc:x}"
        return rc, data[10:]

    def extend(self, pcr, digest=b"\1" * 32):
        """The machine measures something else."""
        self.command(EXTEND, struct.pack(">IH", 1, 0x000B) + digest,
                     handles=struct.pack(">I", pcr), password=b"")

    def handles(self, kind):
        """0x01 NV, 0x02 sessions, 0x80 objects."""
        _, out = self.command(CAPABILITY, struct.pack(
            ">III", 1, kind << 24, 64))
        n = struct.unpack(">I", out[5:9])[0]
        return list(struct.unpack(f">{n}I", out[9:9 + 4 * n]))

    def counter(self):
        """What the one NV counter says."""
        index = struct.pack(">I", self.handles(0x01)[0])
        _, out = self.command(0x14E, struct.pack(">HH", 8, 0),
                              handles=index + index, password=b"")
        return struct.unpack(">Q", out[6:14])[0]

    def lock_out(self):
        """Wrong passwords until the TPM lets nobody guess any more."""
        self.command(DA_PARAMETERS, struct.pack(">III", 1, 1000, 1000),
                     handles=struct.pack(">I", RH_LOCKOUT), password=b"")
        # An index of its own, whose password is guessed.
        public = struct.pack(">IHIHH", 0x01800001, 0x0B, 0x00040004, 0, 8)
        self.command(0x12A, struct.pack(">H", 6) + b"secret" +
                     struct.pack(">H", len(public)) + public,
                     handles=struct.pack(">I", 0x40000001), password=b"")
        guess = struct.pack(">I", 0x01800001) * 2
        for _ in range(3):
            rc, _ = self.command(0x14E, struct.pack(">HH", 8, 0),
                                 handles=guess, password=b"guess",
                                 check=False)
        assert rc == 0x921, f"0x{rc:x}"

    @contextlib.contextmanager
    def saying(self, code, times):
        """In front of the TPM: the next commands are answered with a code."""
        behind = self.path + ".behind"
        os.rename(self.path, behind)
        server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        server.bind(self.path)
        server.listen(4)
        left = [times]

        def one(client):
            with client, socket.socket(socket.AF_UNIX) as tpm:
                tpm.connect(behind)
                while command := client.recv(4096):
                    if left[0] > 0:
                        left[0] -= 1
                        client.sendall(struct.pack(">HII", NO_SESSIONS, 10,
                                                   code))
                        continue
                    tpm.sendall(command)
                    client.sendall(tpm.recv(4096))

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    one(server.accept()[0])

        threading.Thread(target=serve, daemon=True).start()
        try:
            yield
        finally:
            server.shutdown(socket.SHUT_RDWR)
            server.close()
            os.rename(behind, self.path)
