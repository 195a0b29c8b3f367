"""A site on loopback that publishes a catalog with its signature, and can be made to do it badly."""

import base64
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

CATALOG = """\
minors:
  - minor: "1.30"
    released: "2026-05-18"
    endOfLife: "2026-11"
    kubernetes: ["1.32", "1.33", "1.34", "1.35", "1.36"]
    patches:
      - {version: "1.30.6", date: "2026-10-12", cves: [CVE-2026-1], cvss: {CVE-2026-1: 8.1}}
      - {version: "1.30.5", date: "2026-09-21"}
completeUntil: "2026-10-15"
"""
OLDER = CATALOG.replace('"2026-10-15"', '"2026-10-14"')
NEWER = CATALOG.replace('"1.30.6"', '"1.30.7"').replace('"2026-10-15"', '"2026-10-19"')


class Site:
    """`files`: path -> what is there. `fault`: what happens instead, for the catalog itself."""

    def __init__(self) -> None:
        self.key = Ed25519PrivateKey.generate()
        self.files: dict[str, bytes] = {}
        self.fault = ""
        self.released = threading.Event()  # lets go of those who hang
        self.asked = 0
        self.port = 0
        self.publish(CATALOG)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/catalog.yaml"

    @property
    def public_key(self) -> str:
        return base64.b64encode(self.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()

    def publish(self, text: str, *, signed_by: Ed25519PrivateKey | None = None) -> None:
        body = text.encode()
        signature = base64.encodebytes((signed_by or self.key).sign(body))  # in lines, as base64 prints it
        self.files = {"/catalog.yaml": body, "/catalog.yaml.sig": signature}


@contextmanager
def publishing() -> Iterator[Site]:
    site = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            _answer(site, self)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    site.port = server.server_port
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield site
    finally:
        site.released.set()
        server.shutdown()
        server.server_close()


def _answer(site: Site, request: BaseHTTPRequestHandler) -> None:
    site.asked += 1
    body = site.files.get(request.path)
    fault = site.fault if not request.path.endswith(".sig") else ""
    if fault == "hang":
        site.released.wait()
        return
    if body is None or fault == "404":
        request.send_error(404)
        return
    request.send_response(302 if fault == "redirect" else 200)
    if fault == "redirect":
        request.send_header("Location", "http://example.invalid/catalog.yaml")
    request.send_header("Content-Length", str(len(body) + (10 if fault == "cut" else 0)))
    request.end_headers()
    request.wfile.write(body)
