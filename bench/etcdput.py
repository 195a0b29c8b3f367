"""Writes objects into a sandbox's etcd, past its API server: `python -m bench.etcdput`, in its network namespace.

Standard input holds a line per object: its key, a space, the object as JSON. The API server reads JSON as well as its
own encoding. To admit ten thousand pods takes it minutes, and nothing of that is measured here.
"""

import base64
import http.client
import json
import sys
from collections.abc import Iterator

_BATCH = 64  # puts in a transaction: etcd takes 128, and 1.5 MB


def main() -> None:
    connection = http.client.HTTPConnection("127.0.0.1", 2379, timeout=60)
    for puts in _batches():
        connection.request("POST", "/v3/kv/txn", json.dumps({"success": puts}))
        answer = connection.getresponse()
        body = answer.read().decode()
        if answer.status != 200:
            sys.exit(f"etcd: {answer.status} {body[:300]}")


def _batches() -> Iterator[list[dict[str, dict[str, str]]]]:
    puts: list[dict[str, dict[str, str]]] = []
    for line in sys.stdin:
        key, _, value = line.rstrip("\n").partition(" ")
        puts.append({"requestPut": {"key": _encoded(key), "value": _encoded(value)}})
        if len(puts) == _BATCH:
            yield puts
            puts = []
    if puts:
        yield puts


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


if __name__ == "__main__":
    main()
