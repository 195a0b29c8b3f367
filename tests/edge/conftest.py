"""Istio's own charts, from the module that tools/istio pins; a cache that is not the user's, a server's certificate."""

import ipaddress
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from certificates import Pair, issue
from cryptography import x509

_TOOLS = Path(__file__).parents[2] / "tools" / "istio"


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def istio_charts() -> Path:
    go = shutil.which("go")
    if go is None:
        pytest.skip("no go: Istio's charts come from its Go module")
    words = [go, "list", "-m", "-f", "{{.Dir}}", "istio.io/istio"]
    found = subprocess.run(words, cwd=_TOOLS, capture_output=True, text=True, check=False)
    folder = Path(found.stdout.strip() or "/nowhere") / "manifests" / "charts"
    if not folder.is_dir():
        pytest.skip("Istio's Go module is not downloaded")
    return folder


@pytest.fixture
def server(tmp_path: Path) -> Pair:
    loopback = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    return issue(tmp_path, "server", loopback, x509.DNSName("api.example"))
