# SPDX-License-Identifier: Apache-2.0
"""Images for the test cluster, from Debian's busybox-static, without a
registry."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "../../daemonset/image"))
import oci  # noqa: E402

BUSYBOX = "docker.io/local/busybox:1"
PAUSE = "docker.io/local/pause:1"
# The first process of a pod: ends at once, reaps what is handed to it.
WAIT = "trap 'exit 0' TERM INT; while :; do sleep 86400 & wait; done"


def tree():
    t = oci.Tree()
    t.file("bin/busybox", "/bin/busybox", 0o755)
    names = subprocess.run(["/bin/busybox", "--list"], check=True, text=True,
                           capture_output=True).stdout.split()
    for name in names:
        if name != "busybox":
            t.symlink(f"bin/{name}", "busybox")
    t.add("etc/passwd", b"root:x:0:0:root:/:/bin/sh\n"
          b"user:x:1000:1000:user:/:/bin/sh\n")
    t.add("etc/group", b"root:x:0:\nuser:x:1000:\n")
    t.directory("tmp", 0o1777)
    return t


def write(path, name):
    oci.write(path, name, tree(), {
        "Env": ["PATH=/bin"], "Cmd": ["/bin/sh", "-c", WAIT]})
    return path


def pause(path):
    return write(path, PAUSE)


def busybox(path):
    return write(path, BUSYBOX)
