"""Istio's own charts, from the module that tools/istio pins; a cache that is not the user's, a server's certificate."""

import ipaddress
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509

from certificates import Pair, issue
from pilotage_sandbox import assets

_CHARTS = assets.charts_dir()  # asked before the cache is another; building it is `make assets`


@pytest.fixture(scope="module", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """For these modules only: the sandboxes of others find their programs, and Go its builds, in the user's cache."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def istio_charts() -> Path:
    return _CHARTS


@pytest.fixture
def server(tmp_path: Path) -> Pair:
    loopback = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    return issue(tmp_path, "server", loopback, x509.DNSName("api.example"))
