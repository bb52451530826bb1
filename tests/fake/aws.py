#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A small look-alike of AWS Secrets Manager, Parameter Store and STS.

It is here to verify signatures, which moto does not, and to go wrong on demand.
What it says otherwise is what moto and boto3 say (tests/scenario/peer_aws.py).

usage: aws.py --port-file FILE

Listens on 127.0.0.1; writes its port into FILE when it listens.  The first
credentials are AKIDEXAMPLE with the secret "wJalr/secret"; AssumeRole gives
others.

Control, on the same port, unsigned:
  POST /_fake/secret     {"name","string"|"binary"[,"tags","version","stages"]}
  POST /_fake/parameter  {"name","value"[,"tags","version"]}
  POST /_fake/role       {"arn"[,"external_id","token"]}: that may be taken on
  POST /_fake/fault      {"kind", …} for what follows, "" ends it; kinds:
                         throttle, status (status[, code]), expired, denied
                         ("operation"), endless, garbage, empty, truncated;
                         "times": N; "operation": only that
  POST /_fake/clock      {"skew_s"}: its clock against ours
  GET  /_fake/counts     requests by "service.Operation"
  GET  /_fake/roles      the roles, with the forms that asked for each
"""
import argparse
import datetime
import hashlib
import hmac
import http.server
import json
import os
import threading
import urllib.parse

REGION = "us-east-1"
ACCOUNT = "123456789012"
SKEW_MAX = 300
BATCH = {"BatchGetSecretValue": 20, "GetParameters": 10}
PAGE = 3
lock = threading.RLock()


class Refused(Exception):
    def __init__(self, code, message, status=400):
        super().__init__(code)
        self.code, self.message, self.status = code, message, status


class State:
    def __init__(self):
        self.secrets, self.parameters, self.roles = {}, {}, {}
        self.keys = {"AKIDEXAMPLE": ("wJalr/secret", None)}
        self.fault, self.skew, self.counts, self.issued = {}, 0, {}, 0


state = State()


def now():
    return (datetime.datetime.now(datetime.timezone.utc) +
            datetime.timedelta(seconds=state.skew))


# --- signatures --------------------------------------------------------------

def sign(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def verify(headers, method, path, body, service):
    """Who signed it, or Refused: written from AWS's documents, not from ours."""
    words = headers.get("Authorization", "")
    if not words.startswith("AWS4-HMAC-SHA256 "):
        raise Refused("MissingAuthenticationToken", "Missing Authentication "
                      "Token")
    parts = dict(p.strip().split("=", 1)
                 for p in words.split(" ", 1)[1].split(","))
    key_id, day, region, name, end = parts["Credential"].split("/")
    if key_id not in state.keys or (region, name, end) != (
            REGION, service, "aws4_request"):
        raise Refused("UnrecognizedClientException", "The security token "
                      "included in the request is invalid.")
    secret, token = state.keys[key_id]
    if headers.get("X-Amz-Security-Token") != token:
        raise Refused("UnrecognizedClientException", "The security token "
                      "included in the request is invalid.")
    date = headers["X-Amz-Date"]
    age = abs((now() - datetime.datetime.strptime(
        date + "+0000", "%Y%m%dT%H%M%SZ%z")).total_seconds())
    if age > SKEW_MAX or not date.startswith(day):
        raise Refused("InvalidSignatureException", "Signature expired")
    signed = parts["SignedHeaders"].split(";")
    must = {"host", "x-amz-date"} | {
        h for h in ("x-amz-target", "x-amz-security-token", "content-type")
        if headers.get(h)}
    if signed != sorted(signed) or not must <= set(signed):
        raise Refused("InvalidSignatureException", "a header is not signed")
    canonical = "\n".join(
        [method, path, ""] +
        [f"{h}:{' '.join(headers[h].split())}" for h in signed] +
        ["", parts["SignedHeaders"], hashlib.sha256(body).hexdigest()])
    scope = f"{day}/{region}/{name}/aws4_request"
    text = "\n".join(["AWS4-HMAC-SHA256", date, scope,
                      hashlib.sha256(canonical.encode()).hexdigest()])
    key = ("AWS4" + secret).encode()
    for step in (day, region, name, "aws4_request"):
        key = sign(key, step)
    if not hmac.compare_digest(sign(key, text).hex(), parts["Signature"]):
        raise Refused("InvalidSignatureException", "The request signature we "
                      "calculated does not match the signature you provided.")
    return key_id


# --- Secrets Manager ---------------------------------------------------------

def arn_of(name):
    tail = hashlib.sha256(name.encode()).hexdigest()[:6]
    return f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{name}-{tail}"


def find_secret(ident):
    for name, versions in state.secrets.items():
        arn = arn_of(name)
        if ident in (name, arn, arn[:-7]):
            return name, versions
    raise Refused("ResourceNotFoundException",
                  "Secrets Manager can't find the specified secret.")


def secret_value(ident, stage="AWSCURRENT", version=None):
    name, versions = find_secret(ident)
    for v in versions:
        if version in (None, v["id"]) and (version or stage in v["stages"]):
            out = {"ARN": arn_of(name), "Name": name, "VersionId": v["id"],
                   "VersionStages": v["stages"], "CreatedDate": 1.5e9}
            if v.get("string") is not None:
                out["SecretString"] = v["string"]
            if v.get("binary") is not None:
                out["SecretBinary"] = v["binary"]
            return out
    raise Refused("ResourceNotFoundException", "Secrets Manager can't find the "
                  f"specified secret value for staging label: {stage}")


def tag_list(tags):
    return [{"Key": k, "Value": v} for k, v in tags.items()]


def secret_matches(name, filters):
    tags = state.secrets[name][0].get("tags", {})
    fits = {"name": lambda v: name.startswith(v),
            "tag-key": lambda v: any(k.startswith(v) for k in tags),
            "tag-value": lambda v: any(t.startswith(v)
                                       for t in tags.values())}
    return all(any(fits[f["Key"]](v) for v in f["Values"]) for f in filters)


def page(items, body):
    if state.fault.get("kind") == "endless":
        return items[:PAGE], "again"
    at = int(body.get("NextToken", 0))
    rest = items[at:]
    return rest[:PAGE], str(at + PAGE) if len(rest) > PAGE else None


def paged(key, items, body):
    some, following = page(items, body)
    out = {key: some}
    if following:
        out["NextToken"] = following
    return out


def batch_secrets(body):
    if "SecretIdList" not in body:
        names = [n for n in sorted(state.secrets)
                 if secret_matches(n, body.get("Filters", []))]
        return paged("SecretValues", [secret_value(n) for n in names], body)
    if len(body["SecretIdList"]) > BATCH["BatchGetSecretValue"]:
        raise Refused("InvalidParameterException", "too many")
    out = {"SecretValues": [], "Errors": []}
    for ident in body["SecretIdList"]:
        try:
            out["SecretValues"].append(secret_value(ident))
        except Refused as e:
            out["Errors"].append({"SecretId": ident, "ErrorCode": e.code,
                                  "Message": e.message})
    return out


def describe_secret(body):
    name, versions = find_secret(body["SecretId"])
    return {"ARN": arn_of(name), "Name": name,
            "Tags": tag_list(versions[0].get("tags", {}))}


def list_secrets(body):
    names = [n for n in sorted(state.secrets)
             if secret_matches(n, body.get("Filters", []))]
    return paged("SecretList", [{"Name": n, "ARN": arn_of(n)} for n in names],
                 body)


# --- Parameter Store ---------------------------------------------------------

def parameter(name):
    plain, _, version = name.partition(":")
    versions = state.parameters.get(plain, [])
    if version:
        versions = [v for v in versions if str(v["version"]) == version]
    if not versions:
        raise Refused("ParameterNotFound", "")
    v = versions[-1]
    out = {"Name": plain, "Type": "SecureString", "Value": v["value"],
           "Version": v["version"]}
    if version:
        out["Selector"] = ":" + version
    return out


def get_parameters(body):
    if len(body["Names"]) > BATCH["GetParameters"]:
        raise Refused("ValidationException", "too many")
    out = {"Parameters": [], "InvalidParameters": []}
    for name in body["Names"]:
        try:
            out["Parameters"].append(parameter(name))
        except Refused:
            out["InvalidParameters"].append(name)
    return out


def below(name, path):
    return name.startswith(path.rstrip("/") + "/")


def parameters_by_path(body):
    names = [n for n in sorted(state.parameters) if below(n, body["Path"])]
    return paged("Parameters", [parameter(n) for n in names], body)


def parameter_matches(name, filters):
    tags = state.parameters[name][-1].get("tags", {})
    for f in filters:
        if f["Key"] == "Path" and not below(name, f["Values"][0]):
            return False
        if f["Key"].startswith("tag:") and \
                tags.get(f["Key"][4:]) not in f["Values"]:
            return False
    return True


def describe_parameters(body):
    names = [n for n in sorted(state.parameters)
             if parameter_matches(n, body.get("ParameterFilters", []))]
    return paged("Parameters", [{"Name": n} for n in names], body)


def list_tags(body):
    if body["ResourceId"] not in state.parameters:
        raise Refused("InvalidResourceId", "")
    return {"TagList": tag_list(
        state.parameters[body["ResourceId"]][-1].get("tags", {}))}


OPERATIONS = {
    "secretsmanager.GetSecretValue": lambda b: secret_value(
        b["SecretId"], b.get("VersionStage", "AWSCURRENT"),
        b.get("VersionId")),
    "secretsmanager.BatchGetSecretValue": batch_secrets,
    "secretsmanager.DescribeSecret": describe_secret,
    "secretsmanager.ListSecrets": list_secrets,
    "ssm.GetParameter": lambda b: {"Parameter": parameter(b["Name"])},
    "ssm.GetParameters": get_parameters,
    "ssm.GetParametersByPath": parameters_by_path,
    "ssm.DescribeParameters": describe_parameters,
    "ssm.ListTagsForResource": list_tags,
}


# --- STS ---------------------------------------------------------------------

def assume(form, signed_by):
    role = state.roles.get(form["RoleArn"])
    web = form["Action"] == "AssumeRoleWithWebIdentity"
    if role is None or (web and form["WebIdentityToken"] != role.get("token")) \
            or role.get("external_id") != form.get("ExternalId") \
            or not (web or signed_by):
        raise Refused("AccessDenied", "not authorized to perform: "
                      f"sts:{form['Action']}", 403)
    state.issued += 1
    key_id = f"ASIAROLE{state.issued:04d}"
    state.keys[key_id] = (f"role/secret+{state.issued}",
                          f"session&<token>{state.issued}==")
    role.setdefault("forms", []).append(
        {k: v for k, v in form.items() if k != "WebIdentityToken"})
    secret, token = state.keys[key_id]
    token = token.replace("&", "&amp;").replace("<", "&lt;").replace(
        ">", "&gt;")
    return (f"<{form['Action']}Response><{form['Action']}Result><Credentials>"
            f"<AccessKeyId>{key_id}</AccessKeyId><SecretAccessKey>{secret}"
            f"</SecretAccessKey><SessionToken>{token}</SessionToken>"
            "<Expiration>2099-01-01T00:00:00Z</Expiration></Credentials>"
            f"</{form['Action']}Result></{form['Action']}Response>")


# --- the server --------------------------------------------------------------

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def date_time_string(self, timestamp=None):
        return now().strftime("%a, %d %b %Y %H:%M:%S GMT")

    def answer(self, status, body, kind="application/x-amz-json-1.1"):
        data = body if isinstance(body, bytes) else body.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("x-amzn-RequestId", "0000-1111")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def refuse(self, e, xml):
        if xml:
            self.answer(e.status, "<ErrorResponse><Error><Code>"
                        f"{e.code}</Code><Message>{e.message}</Message>"
                        "</Error></ErrorResponse>", "text/xml")
        else:
            self.answer(e.status, json.dumps(
                {"__type": e.code, "Message": e.message}))

    def control(self, what, body):
        if what == "counts":
            return json.dumps(state.counts)
        if what == "roles":
            return json.dumps(state.roles)
        if what == "secret":
            versions = state.secrets.setdefault(body["name"], [])
            for v in versions:
                v["stages"] = ["AWSPREVIOUS"]
            versions.insert(0, {
                "id": body.get("version", f"v{len(versions) + 1}"),
                "stages": body.get("stages", ["AWSCURRENT"]),
                "string": body.get("string"), "binary": body.get("binary"),
                "tags": body.get("tags", {})})
        elif what == "parameter":
            versions = state.parameters.setdefault(body["name"], [])
            versions.append({"version": len(versions) + 1,
                             "value": body["value"],
                             "tags": body.get("tags", {})})
        elif what == "role":
            state.roles[body["arn"]] = body
        elif what == "fault":
            state.fault = body
        elif what == "clock":
            state.skew = body["skew_s"]
        return "{}"

    def fault(self, operation):
        """Nonzero when it has answered."""
        f = state.fault
        if not f.get("kind") or f.get("operation", operation) != operation:
            return False
        if "times" in f:
            f["times"] -= 1
            if f["times"] <= 0:
                state.fault = {}
        if f["kind"] == "throttle":
            raise Refused("ThrottlingException", "Rate exceeded")
        if f["kind"] == "status":
            raise Refused(f.get("code", "InternalFailure"), "", f["status"])
        if f["kind"] == "expired":
            raise Refused("ExpiredTokenException", "The security token "
                          "included in the request is expired")
        if f["kind"] == "denied":
            raise Refused("AccessDeniedException", "User: arn:aws:iam::1:user/x "
                          f"is not authorized to perform: {operation}")
        texts = {"garbage": "\xff{{", "empty": "", "truncated": '{"SecretStr'}
        if f["kind"] in texts:
            self.answer(200, texts[f["kind"]].encode("latin-1"))
            return True
        return False

    def serve(self, body):
        target = self.headers.get("X-Amz-Target")
        if target is None:
            form = dict(urllib.parse.parse_qsl(body.decode()))
            operation, service = "sts." + form.get("Action", "?"), "sts"
        else:
            service, _, name = target.partition(".")
            service = {"AmazonSSM": "ssm"}.get(service, service)
            operation = f"{service}.{name}"
        state.counts[operation] = state.counts.get(operation, 0) + 1
        try:
            if self.fault(operation.partition(".")[2]):
                return
            signed_by = None
            if service != "sts" or self.headers.get("Authorization"):
                signed_by = verify(self.headers, "POST", self.path, body,
                                   service)
            if service == "sts":
                self.answer(200, assume(form, signed_by), "text/xml")
            else:
                self.answer(200, json.dumps(OPERATIONS[operation](
                    json.loads(body))))
        except Refused as e:
            self.refuse(e, service == "sts")

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        with lock:
            if self.path.startswith("/_fake/"):
                self.answer(200, self.control(self.path[7:],
                                              json.loads(body or b"{}")))
            else:
                self.serve(body)

    do_GET = do_POST


def main():
    ap = argparse.ArgumentParser(usage=__doc__.split("\n\n")[2])
    ap.add_argument("--port-file", required=True)
    args = ap.parse_args()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    with open(args.port_file + ".new", "w", encoding="ascii") as f:
        f.write(str(server.server_port))
    os.rename(args.port_file + ".new", args.port_file)
    server.serve_forever()


if __name__ == "__main__":
    main()
