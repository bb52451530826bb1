#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The vendor's own SDK as a second client, in the environment that has it.

usage: client.py URL  < [["service", "operation", {arguments}], …]
Prints a list: what each call gave, or {"error": code}.
"""
import json
import sys

import boto3
import botocore.exceptions


def plain(value):
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()
                if k != "ResponseMetadata"}
    if isinstance(value, list):
        return [plain(v) for v in value]
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, (str, int, float, bool, type(None))):
        return value
    return str(value)


def main():
    def client(service):
        return boto3.client(service, region_name="us-east-1",
                            endpoint_url=sys.argv[1],
                            aws_access_key_id="AKIDEXAMPLE",
                            aws_secret_access_key="wJalr/secret")

    clients, answers = {}, []
    for service, operation, arguments in json.load(sys.stdin):
        if "SecretBinaryHex" in arguments:
            arguments["SecretBinary"] = bytes.fromhex(
                arguments.pop("SecretBinaryHex"))
        if service not in clients:
            clients[service] = client(service)
        try:
            answers.append(plain(getattr(clients[service],
                                         operation)(**arguments)))
        except botocore.exceptions.ClientError as e:
            answers.append({"error": e.response["Error"]["Code"]})
    json.dump(answers, sys.stdout)


if __name__ == "__main__":
    main()
