# SPDX-License-Identifier: Apache-2.0
"""Templates as people write them, made from a seed: the same ones each time.

cases(n, seed) gives {"template", "data"} dictionaries: connection strings,
docker configs, .env and properties files, YAML and JSON documents, loops over
lists and decoded JSON, defined templates, dates, checksums, certificates.
Every function in them is deterministic, and none fails.
"""
import base64
import json
import random
import sys

WORDS = ("alpha beta gamma delta api web worker cache queue mail auth search "
         "ledger invoice report metrics proxy shop cart order stock media "
         "audit batch backup login session token profile region").split()
ODD = "!#$%&*+-./:;<=>?@^_|~ äé€"


class Maker:
    def __init__(self, seed):
        self.r = random.Random(seed)

    def word(self):
        return self.r.choice(WORDS)

    def name(self):
        return f"{self.word()}-{self.word()}-{self.r.randrange(100)}"

    def password(self):
        alphabet = "abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"
        return "".join(self.r.choice(alphabet + ODD) if self.r.random() < .9
                       else self.r.choice(ODD)
                       for _ in range(self.r.randrange(12, 40)))

    def host(self):
        return f"{self.name()}.{self.word()}.svc.cluster.local"

    def base(self):
        return {"user": self.name(), "password": self.password(),
                "host": self.host(), "port": str(self.r.randrange(1, 65536)),
                "db": self.word()}

    def pem(self, lines):
        body = base64.b64encode(self.r.randbytes(48 * lines)).decode()
        rows = [body[i:i + 64] for i in range(0, len(body), 64)]
        return "\n".join(["-----BEGIN CERTIFICATE-----", *rows,
                          "-----END CERTIFICATE-----", ""])

    # --- one kind of template each ---------------------------------------

    def plain(self):
        return "{{ .password }}", self.base()

    def url(self):
        scheme = self.r.choice(["postgresql", "mysql", "amqp", "redis"])
        return (scheme + "://{{ .user | urlquery }}:{{ .password | urlquery }}"
                "@{{ .host }}:{{ .port }}/{{ .db }}"
                + self.r.choice(["?sslmode=require", "", "?timeout=5s"]),
                self.base())

    def docker(self):
        return ('{"auths":{"{{ .host }}":{"username":{{ .user | toJson }},'
                '"password":{{ .password | toJson }},"auth":"{{ printf '
                '"%s:%s" .user .password | b64enc }}"}}}', self.base())

    def env(self):
        data = {f"{self.word()}_{i}": self.password()
                for i in range(self.r.randrange(5, 40))}
        return ("{{- range $k, $v := . }}\n"
                "{{ $k | upper | replace \"-\" \"_\" }}={{ $v | squote }}\n"
                "{{- end }}\n", data)

    def properties(self):
        data = self.base()
        lines = ["# {{ .user }} at {{ .host }}"]
        for i in range(self.r.randrange(4, 25)):
            key = f"{self.word()}.{self.word()}.{i}"
            data[f"p{i}"] = self.name()
            lines.append(key + "=" + self.r.choice([
                "{{ .p%d }}", "{{ .p%d | upper }}",
                "{{ .p%d | trunc 8 | title }}",
                "{{ .p%d | default \"none\" }}", '{{ index . "p%d" }}',
                "{{ .p%d | replace \"-\" \".\" }}",
                "{{ if hasPrefix \"a\" .p%d }}a{{ else }}b{{ end }}",
            ]) % i)
        return "\n".join(lines) + "\n", data

    def yaml_document(self):
        data = self.base()
        data["ca"] = self.pem(self.r.randrange(4, 30))
        data["flags"] = ",".join(self.word() for _ in range(
            self.r.randrange(1, 12)))
        return ("server:\n  host: {{ .host | quote }}\n"
                "  port: {{ .port | int }}\n"
                "  admin: {{ add (atoi .port) 1 }}\n"
                "credentials:\n  user: {{ .user | quote }}\n"
                "  password: {{ .password | quote }}\n"
                "tls:\n  ca: |\n{{ .ca | indent 4 }}\n"
                "flags:\n{{- range splitList \",\" .flags }}\n"
                "  - {{ . | trim | kebabcase }}\n{{- else }} []\n{{- end }}\n"
                "{{- with .db }}\ndatabase: {{ . }}\n{{- end }}\n", data)

    def decoded(self):
        users = [{"name": self.name(), "password": self.password(),
                  "admin": self.r.random() < .3,
                  "quota": self.r.randrange(1000)}
                 for _ in range(self.r.randrange(1, 20))]
        return ("{{- $users := fromJson .users -}}\n"
                "{{- range $i, $u := $users }}\n"
                "{{ $i }}: {{ $u.name }}:{{ $u.password | sha256sum }}"
                "{{ if $u.admin }} admin{{ end }} "
                "{{ printf \"%05d\" (int $u.quota) }}"
                "{{- end }}\n{{ len $users }} users\n",
                {"users": json.dumps(users)})

    def defined(self):
        return ('{{ define "entry" }}[{{ .name }}]\nvalue = {{ .value | '
                'quote }}\n{{ end -}}\n{{ range $k, $v := . -}}\n'
                '{{ template "entry" (dict "name" $k "value" $v) }}'
                '{{- end }}',
                {f"{self.word()}{i}": self.password()
                 for i in range(self.r.randrange(2, 15))})

    def conditions(self):
        data = self.base()
        data["mode"] = self.r.choice(["dev", "test", "prod"])
        return ('{{- $level := "info" -}}\n'
                '{{- if eq .mode "prod" }}{{ $level = "warn" }}'
                '{{ else if or (eq .mode "test") (not .db) }}'
                '{{ $level = "debug" }}{{ end -}}\n'
                'log_level={{ $level }}\n'
                '{{ if and (gt (len .password) 16) (ne .user "root") -}}\n'
                'strong=true\n{{- else -}}\nstrong=false\n{{- end }}\n'
                'shards={{ range until 8 }}{{ if . }},{{ end }}'
                '{{ $.db }}-{{ . }}{{ end }}\n', data)

    def numbers(self):
        data = {"cpu": str(self.r.randrange(1, 64)),
                "memory": str(self.r.randrange(128, 65536)),
                "ratio": f"{self.r.random():.4f}"}
        return ("workers: {{ mul (.cpu | int) 2 }}\n"
                "heap: {{ div (.memory | int) 2 }}m\n"
                "limit: {{ printf \"%.2f\" (.ratio | float64) }}\n"
                "max: {{ max (int .cpu) (int .memory) 100 }}\n"
                "hex: {{ printf \"%#x\" (int .memory) }}\n"
                "{{ range $i := until (int .cpu) }}{{ $i }} {{ end }}\n",
                data)

    def checks(self):
        return ("user={{ .user }}\nhash={{ sha1sum .password }}\n"
                "adler={{ adler32sum .password }}\n"
                "short={{ .password | b64enc | trunc 20 }}\n"
                "valid={{ regexMatch \"^[a-z]+-[a-z]+-[0-9]+$\" .user }}\n"
                "masked={{ regexReplaceAll \"[a-z]\" .user \"x\" }}\n",
                self.base())

    def dates(self):
        data = self.base()
        data["until"] = (f"20{self.r.randrange(20, 40)}-"
                         f"{self.r.randrange(1, 13):02d}-"
                         f"{self.r.randrange(1, 29):02d}T0"
                         f"{self.r.randrange(10)}:30:00Z")
        return ('{{- $t := toDate "2006-01-02T15:04:05Z07:00" .until -}}\n'
                '# {{ .user }} until {{ dateInZone "Mon, 02 Jan 2006" $t '
                '"UTC" }}\nexpires={{ unixEpoch $t }}\n'
                'day={{ dateInZone "2006-01-02" $t "UTC" }}\n', data)

    def bundle(self):
        data = {"tls.crt": self.pem(self.r.randrange(10, 40)),
                "ca.crt": self.pem(self.r.randrange(10, 40)),
                "chain": self.pem(20) + self.pem(20)}
        return ('{{ index . "tls.crt" | trim }}\n{{ index . "ca.crt" | trim '
                '}}\n{{- range $i, $c := splitList "-----END CERTIFICATE'
                '-----" .chain }}{{ if trim $c }}\n{{ trim $c }}\n-----END '
                'CERTIFICATE-----{{ end }}{{ end }}\n', data)

    def document(self):
        return ('{{ dict "user" .user "password" .password "host" (printf '
                '"%s:%s" .host .port) "tags" (list "a" .db 3 true) | '
                + self.r.choice(["toJson", "toPrettyJson", "toRawJson"])
                + ' }}', self.base())


def cases(n, seed=20261123):
    m = Maker(seed)
    kinds = [m.plain, m.url, m.docker, m.env, m.properties, m.yaml_document,
             m.decoded, m.defined, m.conditions, m.numbers, m.checks,
             m.dates, m.bundle, m.document]
    out = []
    for _ in range(n):
        template, data = m.r.choice(kinds)()
        out.append({"template": template, "data": data})
    return out


# --- manifests ----------------------------------------------------------------

def block(text, indent):
    """A literal block scalar, whatever the text ends with."""
    lines = text.split("\n")
    head = "|" if not lines[-1] and len(lines) > 1 and lines[-2] else "|-"
    if head == "|":
        lines.pop()
    return head + "".join("\n" + (" " * indent + line if line else "")
                          for line in lines)


def pool(m, services=12):
    """What a namespace's store holds: field -> {remote key: value}."""
    fields = {}
    for i in range(services):
        values = dict(m.base(), mode=m.r.choice(["dev", "test", "prod"]),
                      until=f"2031-0{m.r.randrange(1, 10)}-15T08:30:00Z")
        for field, value in values.items():
            fields.setdefault(field, {})[f"service-{i}/{field}"] = value
    return fields


def manifests(n, namespaces=100, seed=20261123):
    """A YAML text: a store a namespace, n ExternalSecrets with templates."""
    m = Maker(seed)
    simple = [m.plain, m.url, m.docker, m.conditions, m.document, m.dates]
    stores = [pool(m) for _ in range(namespaces)]
    out = []
    for i in range(n):
        ns = i % namespaces
        fields, keys = set(), {}
        for k in range(m.r.randrange(1, 4)):
            text, values = m.r.choice(simple)()
            keys[f"key-{k}"] = text
            fields |= set(values)
        names = {f: m.r.choice(sorted(stores[ns][f])) for f in sorted(fields)}
        out.append(f"""apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata:
  name: {m.word()}-{i}
  namespace: ns-{ns}
spec:
  refreshInterval: 1h
  secretStoreRef:
    kind: SecretStore
    name: store
  target:
    name: {m.word()}-{i}
    template:
      data:
""" + "".join(f"        {k}: {block(v, 10)}\n" for k, v in keys.items())
            + "  data:\n" + "".join(f"""  - secretKey: {k}
    remoteRef:
      key: {v}
""" for k, v in names.items()))
    for ns, fields in enumerate(stores):
        out.append(f"""apiVersion: external-secrets.io/v1
kind: SecretStore
metadata:
  name: store
  namespace: ns-{ns}
spec:
  provider:
    fake:
      data:
""" + "".join(f"      - key: {k}\n        value: {json.dumps(v)}\n"
              for values in fields.values() for k, v in values.items()))
    return "---\n".join(out)


if __name__ == "__main__":
    # usage: templates.py N: the manifests
    sys.stdout.write(manifests(int(sys.argv[1])))
