# SPDX-License-Identifier: Apache-2.0
"""What a node of the test cluster is made of: the place, the certificates, the
configuration and the flags of every component.  Runs inside the namespaces of
cluster_hold; which flags are needed, and why, is in each one's own manual:
they differ from the defaults only where a comment says so.
"""
import json
import os
import subprocess
import textwrap

IP = "10.77.0.1"
PORT = 6443
SERVICE_IP = "10.96.0.1"
ISSUER = "https://kubernetes.default.svc"
PEERS = os.environ.get("PEERS", os.path.expanduser("~/.cache/nodeseal-test"))


def sh(script):
    subprocess.run(["sh", "-ec", script], check=True)


def put(path, text, mode=0o644):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(fd, "w", encoding="utf-8") as f:
        f.write(text)


def make_place(node, base):
    """Mounts that containers can share, folders of our own over every one that
    a component writes to, a bridge, and the Service address of the API
    server."""
    sh(f"""
        mount --make-rprivate /
        mount --make-rshared /
        mount -t tmpfs -o mode=755 tmpfs /run
        mkdir -p {base}/var/up {base}/var/work {base}/log
        mount -t overlay -o lowerdir=/var,upperdir={base}/var/up,workdir={base}/var/work overlay /var
        mkdir -p /var/lib/kubelet
        mount -t tmpfs -o mode=755 tmpfs /var/lib/kubelet
        hostname {node}
        ip link set lo up
        ip link add node0 type bridge
        ip addr add {IP}/24 dev node0
        ip link set node0 up
        ip route add default dev node0
        echo 1 >/proc/sys/net/ipv4/ip_forward
    """)
    for chain in ("PREROUTING", "OUTPUT"):
        sh(f"iptables -w -t nat -A {chain} -d {SERVICE_IP} -p tcp --dport 443"
           f" -j DNAT --to {IP}:{PORT}")


# --- certificates ---------------------------------------------------------------

def certificate(pki, name, subject, alt=None):
    """A process that makes NAME.crt and NAME.key, signed by our CA."""
    usage = "serverAuth,clientAuth"
    words = ["openssl", "req", "-x509", "-CA", f"{pki}/ca.crt", "-CAkey",
             f"{pki}/ca.key", "-newkey", "ec", "-pkeyopt",
             "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30", "-subj",
             subject, "-keyout", f"{pki}/{name}.key", "-out",
             f"{pki}/{name}.crt", "-addext", f"extendedKeyUsage={usage}",
             "-addext", "basicConstraints=critical,CA:FALSE"]
    if alt:
        words += ["-addext", f"subjectAltName={alt}"]
    return subprocess.Popen(words, stderr=subprocess.DEVNULL)


def make_certificates(pki, node):
    os.makedirs(pki, mode=0o700)
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
         "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30", "-subj",
         "/CN=nodeseal-test", "-keyout", f"{pki}/ca.key", "-out",
         f"{pki}/ca.crt"], check=True, stderr=subprocess.DEVNULL)
    names = ("localhost", "kubernetes", "kubernetes.default",
             "kubernetes.default.svc")
    alt = ",".join([f"DNS:{n}" for n in names] +
                   [f"IP:{a}" for a in ("127.0.0.1", SERVICE_IP, IP)])
    jobs = [
        certificate(pki, "apiserver", "/CN=kube-apiserver", alt),
        certificate(pki, "kubelet-server", f"/CN={node}",
                    f"DNS:{node},IP:{IP}"),
        certificate(pki, "admin", "/O=system:masters/CN=admin"),
        certificate(pki, "apiserver-kubelet",
                    "/O=system:masters/CN=apiserver-kubelet"),
        certificate(pki, "kubelet",
                    f"/O=system:nodes/CN=system:node:{node}"),
        certificate(pki, "controller-manager",
                    "/CN=system:kube-controller-manager"),
        certificate(pki, "scheduler", "/CN=system:kube-scheduler"),
        subprocess.Popen(["openssl", "genrsa", "-out", f"{pki}/sa.key",
                          "2048"], stderr=subprocess.DEVNULL),
    ]
    for job in jobs:
        if job.wait() != 0:
            raise RuntimeError(f"openssl: {job.args}")
    subprocess.run(["openssl", "rsa", "-in", f"{pki}/sa.key", "-pubout",
                    "-out", f"{pki}/sa.pub"], check=True,
                   stderr=subprocess.DEVNULL)


def kubeconfig(pki, name, server=f"https://{IP}:{PORT}", inline=False):
    """The text of a kubeconfig; with ``inline``, one that needs no file."""
    def ref(key, path):
        if not inline:
            return {key: path}
        import base64
        with open(path, "rb") as f:
            return {f"{key}-data": base64.b64encode(f.read()).decode()}
    return json.dumps({
        "apiVersion": "v1", "kind": "Config", "current-context": "test",
        "clusters": [{"name": "test", "cluster": {
            "server": server, **ref("certificate-authority",
                                    f"{pki}/ca.crt")}}],
        "users": [{"name": name, "user": {
            **ref("client-certificate", f"{pki}/{name}.crt"),
            **ref("client-key", f"{pki}/{name}.key")}}],
        "contexts": [{"name": "test", "context": {
            "cluster": "test", "user": name}}]}, indent=1)


# --- configuration ----------------------------------------------------------------

# What the components themselves ask would drown what the tests count.
AUDIT = """\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: None
  userGroups: ["system:nodes", "system:serviceaccounts:kube-system"]
- level: None
  users: ["system:apiserver", "system:kube-controller-manager",
          "system:kube-scheduler"]
- level: Metadata
"""

CONTAINERD = """\
version = 2
root = "{base}/containerd"
state = "/run/containerd"
oom_score = 0
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.internal.v1.opt", "io.containerd.tracing.processor.v1.otlp"]
[grpc]
  address = "/run/containerd/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "docker.io/local/pause:1"
  # Without CAP_SYS_RESOURCE runc cannot lower a score.
  restrict_oom_score_adj = true
  disable_apparmor = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = false
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{base}/cni"
"""

CNI = {
    "cniVersion": "1.0.0", "name": "pods", "plugins": [{
        "type": "bridge", "bridge": "cni0", "isGateway": True,
        "ipam": {"type": "host-local", "ranges": [[
            {"subnet": "10.88.0.0/16"}]],
            "routes": [{"dst": "0.0.0.0/0"}]}}]}


def kubelet_config(base, pki, cgroup):
    return json.dumps({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "failCgroupV1": False, "cgroupDriver": "cgroupfs",
        # Two clusters side by side would else end each other's pods.
        "cgroupRoot": f"/{cgroup}",
        "failSwapOn": False, "address": IP,
        "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
        "authentication": {"anonymous": {"enabled": False},
                           "webhook": {"enabled": True},
                           "x509": {"clientCAFile": f"{pki}/ca.crt"}},
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": f"{pki}/kubelet-server.crt",
        "tlsPrivateKeyFile": f"{pki}/kubelet-server.key",
        "enforceNodeAllocatable": [],
        # The disk of whoever runs the tests may be nearly full.
        "evictionHard": {"memory.available": "50Mi", "nodefs.available": "1%",
                         "imagefs.available": "1%",
                         "nodefs.inodesFree": "1%"},
        "imageGCHighThresholdPercent": 100, "imageGCLowThresholdPercent": 99,
        "resolvConf": "", "makeIPTablesUtilChains": False,
        "volumePluginDir": f"{base}/volume-plugins",
        "maxPods": 250, "kubeAPIQPS": 200, "kubeAPIBurst": 400,
        # Republish is seen in seconds.
        "syncFrequency": "10s", "fileCheckFrequency": "2s",
        "httpCheckFrequency": "0s"}, indent=1)


def write_configs(base, pki, cgroup):
    put(f"{base}/audit-policy.yaml", AUDIT)
    put(f"{base}/containerd.toml", CONTAINERD.format(base=base))
    put(f"{base}/cni/pods.conflist", json.dumps(CNI))
    put(f"{base}/kubelet.json", kubelet_config(base, pki, cgroup))
    for name in ("admin", "kubelet", "controller-manager", "scheduler"):
        put(f"{base}/{name}.kubeconfig", kubeconfig(pki, name), 0o600)


# --- the components ------------------------------------------------------------------

def peer(name):
    return os.path.join(PEERS, name)


def commands(base, pki, node):
    """name -> command line."""
    etcd = "http://127.0.0.1:2379"
    lines = {
        "etcd": f"""
            /usr/bin/etcd --data-dir {base}/etcd --name {node}
            --listen-client-urls {etcd} --advertise-client-urls {etcd}
            --listen-peer-urls http://127.0.0.1:2380
            --initial-advertise-peer-urls http://127.0.0.1:2380
            --initial-cluster {node}=http://127.0.0.1:2380
            --log-level error""",
        "containerd": f"/usr/bin/containerd --config {base}/containerd.toml",
        # A loopback address cannot be the Endpoint of the Service kubernetes.
        "kube-apiserver": f"""
            {peer("kube-apiserver")} --etcd-servers {etcd}
            --bind-address 0.0.0.0 --secure-port {PORT}
            --advertise-address {IP}
            --tls-cert-file {pki}/apiserver.crt
            --tls-private-key-file {pki}/apiserver.key
            --client-ca-file {pki}/ca.crt
            --kubelet-client-certificate {pki}/apiserver-kubelet.crt
            --kubelet-client-key {pki}/apiserver-kubelet.key
            --kubelet-certificate-authority {pki}/ca.crt
            --kubelet-preferred-address-types InternalIP
            --service-cluster-ip-range 10.96.0.0/16
            --allow-privileged=true --anonymous-auth=false
            --service-account-issuer {ISSUER}
            --service-account-key-file {pki}/sa.pub
            --service-account-signing-key-file {pki}/sa.key
            --authorization-mode Node,RBAC
            --enable-admission-plugins NodeRestriction
            --audit-policy-file {base}/audit-policy.yaml
            --audit-log-path {base}/audit.log --audit-log-maxsize 10000""",
        # The default of 20 requests a second delays the first ServiceAccount
        # by five seconds.
        "kube-controller-manager": f"""
            {peer("kube-controller-manager")}
            --kubeconfig {base}/controller-manager.kubeconfig
            --authentication-kubeconfig {base}/controller-manager.kubeconfig
            --authorization-kubeconfig {base}/controller-manager.kubeconfig
            --leader-elect=false --root-ca-file {pki}/ca.crt
            --service-account-private-key-file {pki}/sa.key
            --use-service-account-credentials
            --cluster-signing-cert-file {pki}/ca.crt
            --cluster-signing-key-file {pki}/ca.key
            --allocate-node-cidrs=false
            --kube-api-qps 500 --kube-api-burst 1000""",
        "kube-scheduler": f"""
            {peer("kube-scheduler")}
            --kubeconfig {base}/scheduler.kubeconfig --leader-elect=false""",
        "kubelet": f"""
            {peer("kubelet")} --config {base}/kubelet.json
            --kubeconfig {base}/kubelet.kubeconfig
            --root-dir /var/lib/kubelet --cert-dir {base}/kubelet-certs
            --hostname-override {node} --node-ip {IP}""",
    }
    return {name: textwrap.dedent(line).split()
            for name, line in lines.items()}
