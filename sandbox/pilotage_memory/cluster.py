"""A cluster in memory for a test: store, server and a kubeconfig. Called by tests."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from pilotage_memory.server import Server
from pilotage_memory.store import Store

_KUBECONFIG = """\
apiVersion: v1
kind: Config
current-context: memory
contexts: [{{name: memory, context: {{cluster: memory, user: memory}}}}]
clusters: [{{name: memory, cluster: {{server: "{url}"}}}}]
users: [{{name: memory, user: {{token: memory}}}}]
"""


class MemoryCluster(NamedTuple):
    """`kubeconfig` is the path of a file that names the server."""

    store: Store
    server: Server
    kubeconfig: Path


@contextmanager
def memory_cluster(store: Store | None = None) -> Iterator[MemoryCluster]:
    """An API server on loopback over `store`, an empty one by default, gone at the end."""
    kept = store or Store()
    server = Server(kept)
    server.start()
    try:
        with tempfile.TemporaryDirectory(prefix="pilotage-memory-") as folder:
            path = Path(folder) / "kubeconfig"
            path.touch(mode=0o600)
            path.write_text(_KUBECONFIG.format(url=server.url))
            yield MemoryCluster(kept, server, path)
    finally:
        server.stop()
