"""Which cluster, as whom: kubeconfig files as kubectl merges them, or the pod's ServiceAccount. Used by `kube`."""

import os
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import msgspec

from pilotage.domain.errors import NoCluster, Refused

_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


class Cluster(msgspec.Struct, frozen=True, rename="kebab"):
    """As in the file. A plain field is a path; its `_data` field is base64, and stronger."""

    server: str = ""
    certificate_authority: str = ""
    certificate_authority_data: str = ""
    insecure_skip_tls_verify: bool = False
    tls_server_name: str = ""
    proxy_url: str = ""


class ExecEnv(msgspec.Struct, frozen=True):
    name: str
    value: str = ""


class Exec(msgspec.Struct, frozen=True, rename="camel"):
    """A credential plug-in; https://kubernetes.io/docs/reference/access-authn-authz/authentication/#configuration"""

    command: str
    api_version: str = "client.authentication.k8s.io/v1"
    args: list[str] | None = None
    env: list[ExecEnv] | None = None
    install_hint: str = ""
    interactive_mode: str = "IfAvailable"
    provide_cluster_info: bool = False


class User(msgspec.Struct, frozen=True, rename="kebab"):
    token: str = ""
    token_file: str = msgspec.field(default="", name="tokenFile")
    client_certificate: str = ""
    client_certificate_data: str = ""
    client_key: str = ""
    client_key_data: str = ""
    username: str = ""
    password: str = ""
    exec: Exec | None = None
    auth_provider: Any = None
    impersonated: str = msgspec.field(default="", name="as")


class Target(NamedTuple):
    """One cluster, one user, the namespace to assume. `context` is "" inside a pod."""

    context: str
    cluster: Cluster
    user: User
    namespace: str = "default"


class _Context(msgspec.Struct, frozen=True):
    cluster: str = ""
    user: str = ""
    namespace: str = ""


class _NamedCluster(msgspec.Struct, frozen=True):
    name: str
    cluster: Cluster | None = None


class _NamedUser(msgspec.Struct, frozen=True):
    name: str
    user: User | None = None


class _NamedContext(msgspec.Struct, frozen=True):
    name: str
    context: _Context | None = None


class _File(msgspec.Struct, frozen=True, rename="kebab"):
    current_context: str | None = None
    clusters: list[_NamedCluster] | None = None
    users: list[_NamedUser] | None = None
    contexts: list[_NamedContext] | None = None


def load(kubeconfig: str | None, context: str | None) -> Target:
    """What kubectl would choose: `kubeconfig`, else $KUBECONFIG, else ~/.kube/config, else the pod's account.

    Raises NoCluster where there is none, Refused for a file that cannot be understood.
    """
    files = [file for path in _paths(kubeconfig) if (file := _read(path, must=bool(kubeconfig))) is not None]
    if not any(file.contexts or file.clusters for file in files):
        pod = None if kubeconfig or context else _pod()
        if pod is None:
            raise NoCluster(_nothing_in(kubeconfig))
        return pod
    return _choose(files, context)


def _paths(kubeconfig: str | None) -> list[Path]:
    """Whether they are there is seen by reading them; but a pod's user may not even look into its home."""
    if kubeconfig:
        return [Path(os.path.expanduser(kubeconfig))]  # noqa: PTH111, Path's own raises where there is no home
    listed = [Path(part) for part in os.environ.get("KUBECONFIG", "").split(os.pathsep) if part]
    own = os.path.expanduser("~/.kube/config")  # noqa: PTH111
    return listed or ([Path(own)] if os.path.exists(own) else [])  # noqa: PTH110, Path's own raises for want of rights


def _nothing_in(kubeconfig: str | None) -> str:
    where = kubeconfig or os.environ.get("KUBECONFIG") or "~/.kube/config"
    return f"no cluster in {where}; give --kubeconfig or set KUBECONFIG (`kubectl config get-contexts` lists them)"


def _read(path: Path, *, must: bool) -> _File | None:
    import yaml

    try:
        raw = yaml.load(path.read_bytes(), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        return None if raw is None else _anchored(msgspec.convert(raw, _File), path.parent)
    except yaml.YAMLError as error:
        raise _bad(path, " ".join(str(error).split())) from None
    except (msgspec.ValidationError, UnicodeDecodeError) as error:
        raise _bad(path, str(error)) from None
    except (FileNotFoundError, NotADirectoryError):
        if must:
            raise NoCluster(f"no kubeconfig at {path}") from None
        return None
    except OSError as error:
        raise _bad(path, error.strerror or str(error)) from None


def _bad(path: Path, cause: str) -> Refused:
    return Refused(f"kubeconfig {path} cannot be read: {cause}", fix="kubectl config view")


def _anchored(file: _File, folder: Path) -> _File:
    """Relative paths in a kubeconfig start at its folder."""

    def fixed(path: str) -> str:
        return str(folder / path) if path else ""

    clusters = [
        _NamedCluster(
            named.name,
            msgspec.structs.replace(
                named.cluster or Cluster(),
                certificate_authority=fixed((named.cluster or Cluster()).certificate_authority),
            ),
        )
        for named in file.clusters or ()
    ]
    users = [_NamedUser(named.name, _anchored_user(named.user or User(), folder)) for named in file.users or ()]
    return msgspec.structs.replace(file, clusters=clusters, users=users)


def _anchored_user(user: User, folder: Path) -> User:
    fields = ("token_file", "client_certificate", "client_key")
    changes: dict[str, Any] = {field: str(folder / getattr(user, field)) for field in fields if getattr(user, field)}
    plugin = user.exec
    if plugin and "/" in plugin.command:  # a bare name is looked up on PATH
        changes["exec"] = msgspec.structs.replace(plugin, command=str(folder / plugin.command))
    return msgspec.structs.replace(user, **changes)


def _choose(files: list[_File], wanted: str | None) -> Target:
    """Across files the first mention of a name wins, and the first current-context."""
    name = wanted or next((file.current_context for file in files if file.current_context), "")
    contexts = {
        named.name: named.context or _Context() for file in files[::-1] for named in reversed(file.contexts or [])
    }
    clusters = {
        named.name: named.cluster or Cluster() for file in files[::-1] for named in reversed(file.clusters or [])
    }
    users = {named.name: named.user or User() for file in files[::-1] for named in reversed(file.users or [])}
    if not name:
        raise NoCluster("the kubeconfig has no current context; choose one with --context: " + ", ".join(contexts))
    if name not in contexts:
        raise NoCluster(f"no context {name!r} in the kubeconfig; there are: {', '.join(contexts) or 'none'}")
    context = contexts[name]
    cluster, user = clusters.get(context.cluster), users.get(context.user, User())
    if cluster is None or not cluster.server:
        raise NoCluster(f"context {name!r} names cluster {context.cluster!r}, which has no server in the kubeconfig")
    if not is_http(cluster.server):
        words = f"context {name!r} names server {cluster.server!r}, which is not a URL such as https://HOST:6443"
        raise Refused(words, fix="kubectl config set-cluster " + context.cluster + " --server=https://HOST:6443")
    if user.auth_provider is not None:
        raise Refused(f"user {context.user!r} uses auth-provider, which Kubernetes removed", fix="use an exec plug-in")
    if user.impersonated:
        raise Refused(
            f"user {context.user!r} impersonates {user.impersonated!r}, which Pilotage never does",
            fix="use another context: --context",
        )
    return Target(name, cluster, user, context.namespace or "default")


def is_http(url: str) -> bool:
    """An address to connect to, with http or https."""
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # of a port or an address of IPv6
        return False


def _pod() -> Target | None:
    """Where every pod finds its API server and token; None outside of a pod."""
    host, port = os.environ.get("KUBERNETES_SERVICE_HOST"), os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    token = _ACCOUNT / "token"
    if not host or not token.is_file():
        return None
    server = f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
    namespace = _ACCOUNT / "namespace"
    cluster = Cluster(server=server, certificate_authority=str(_ACCOUNT / "ca.crt"))
    return Target("", cluster, User(token_file=str(token)), namespace.read_text().strip() or "default")
