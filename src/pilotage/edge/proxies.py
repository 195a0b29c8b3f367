"""Is there an HTTP proxy on the way to the API server? Used by `transport` and `portforward`."""

import os
from urllib.parse import urlsplit

from pilotage.domain.errors import Refused
from pilotage.edge.kubeconfig import Cluster, is_http


def is_loopback(server: str) -> bool:
    host = urlsplit(server).hostname or ""
    return host == "localhost" or host == "::1" or host.startswith("127.")


def proxy_for(cluster: Cluster) -> str:
    """URL of the proxy, "" for none: the cluster's own, else HTTPS_PROXY and NO_PROXY as kubectl reads them.

    Raises Refused for a proxy that is spoken to by SOCKS or TLS, and for what is no URL.
    """
    proxy = cluster.proxy_url or _from_environment(cluster.server)
    if "://" in proxy and not proxy.startswith("http://"):
        kind = proxy.partition(":")[0].rstrip("5h").upper()
        raise Refused(f"{kind} proxies are not supported", fix="use an HTTP proxy (http://…), or kubectl proxy")
    place = proxy if not proxy or "://" in proxy else f"http://{proxy}"
    if place and not is_http(place):
        raise Refused(f"proxy {proxy!r} is not a URL such as http://HOST:3128", fix="mend proxy-url, or HTTPS_PROXY")
    return place


def _from_environment(server: str) -> str:
    scheme = urlsplit(server).scheme
    proxy = os.environ.get(f"{scheme.upper()}_PROXY") or os.environ.get(f"{scheme}_proxy") or ""
    return "" if not proxy or is_loopback(server) or _excluded(urlsplit(server).hostname or "") else proxy


def _excluded(host: str) -> bool:
    """NO_PROXY as Go reads it: names with their subdomains, addresses, CIDR ranges, `*`."""
    listed = os.environ.get("NO_PROXY") or os.environ.get("no_proxy") or ""
    return any(_matches(host, entry.strip().lower()) for entry in listed.split(",") if entry.strip())


def _matches(host: str, entry: str) -> bool:
    if entry == "*":
        return True
    import ipaddress

    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(entry, strict=False)
    except ValueError:
        name = entry.removeprefix("*").removeprefix(".").split(":")[0]
        return host == name or host.endswith(f".{name}")
