"""Whom the client trusts, and what it shows of itself."""

from pathlib import Path

import pytest
from loopback_api import Api, Asked, Reply, serving

from certificates import Pair, issue, speaking
from pilotage.domain.errors import Refused, Unreachable
from pilotage.edge import kubeconfig
from pilotage.edge.kube import Kube


def version(api: Api, folder: Path, cluster: str, user: str = "") -> str:
    return str(Kube.connect(api.kubeconfig(folder, cluster, user)).version())


def answer(_: object) -> Reply:
    return Reply({"gitVersion": "v1.2.3"})


def echo(asked: Asked) -> Reply:
    return Reply({"status": {"userInfo": {"username": asked.headers["Authorization"]}}})


@pytest.mark.parametrize(
    "cluster",
    [
        "certificate-authority: server.crt",
        "certificate-authority-data: {data}",
        "certificate-authority: server.crt, tls-server-name: api.example",
        "insecure-skip-tls-verify: true",
    ],
)
def test_the_cluster_is_trusted_as_the_kubeconfig_says(tmp_path: Path, server: Pair, cluster: str) -> None:
    with serving(answer, speaking(server)) as api:
        assert version(api, tmp_path, cluster.format(data=server.data[0])) == "1.2.3"


@pytest.mark.parametrize(
    ("cluster", "words"),
    [
        ("", "TLS failed: .*certificate-authority"),
        ("certificate-authority: other.crt", "TLS failed"),
        ("certificate-authority: server.crt, tls-server-name: other.example", "TLS failed: hostname mismatch"),
    ],
)
def test_a_cluster_that_cannot_be_trusted_is_not_talked_to(
    tmp_path: Path, server: Pair, cluster: str, words: str
) -> None:
    issue(tmp_path, "other")
    with serving(answer, speaking(server)) as api, pytest.raises(Unreachable, match=words):
        version(api, tmp_path, cluster)


@pytest.mark.parametrize("as_data", [True, False])
def test_a_client_certificate_is_shown(tmp_path: Path, server: Pair, as_data: bool) -> None:
    client = issue(tmp_path, "client")
    data = "client-certificate-data: {}, client-key-data: {}".format(*client.data)
    user = data if as_data else "client-certificate: client.crt, client-key: client.key"
    with serving(answer, speaking(server, client)) as api:
        assert version(api, tmp_path, "certificate-authority: server.crt", user) == "1.2.3"


def test_a_key_that_does_not_fit_its_certificate_is_refused(tmp_path: Path, server: Pair) -> None:
    issue(tmp_path, "client")
    user = "client-certificate: client.crt, client-key: server.key"
    with serving(answer, speaking(server)) as api, pytest.raises(Refused, match="cannot be used"):
        version(api, tmp_path, "certificate-authority: server.crt", user)


def test_no_key_is_left_on_disk(tmp_path: Path, server: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the system has no anonymous memory files."""
    monkeypatch.delattr("os.memfd_create", raising=False)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    data = "client-certificate-data: {}, client-key-data: {}".format(*issue(tmp_path, "client").data)
    with serving(answer, speaking(server)) as api:
        assert version(api, tmp_path, "certificate-authority: server.crt", data) == "1.2.3"
    assert list(scratch.iterdir()) == []


def test_inside_a_pod_its_service_account_is_enough(
    tmp_path: Path, server: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = tmp_path / "account"
    account.mkdir()
    (account / "token").write_text("of-the-pod")
    (account / "namespace").write_text("mesh")
    (account / "ca.crt").write_bytes(server.certificate.read_bytes())
    monkeypatch.setattr(kubeconfig, "_ACCOUNT", account)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    with serving(echo, speaking(server)) as api:
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
        monkeypatch.setenv("KUBERNETES_SERVICE_PORT", api.address.rpartition(":")[2])
        kube = Kube.connect()
        assert (kube.whoami(), kube.namespace, kube.context_name) == ("Bearer of-the-pod", "mesh", "")
