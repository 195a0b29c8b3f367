"""Kubeconfigs as kubectl reads them, and one clear line for those that cannot be read."""

import json
import os
from pathlib import Path

import pytest
from loopback_api import Asked, Reply, serving, status, write_kubeconfig

from pilotage.domain.errors import MeshError, NoCluster, Refused
from pilotage.edge.kube import Kube
from pilotage.edge.kubeconfig import load

GOOD = """
current-context: a
contexts: [{name: a, context: {cluster: c, user: u}}]
clusters: [{name: c, cluster: {server: 'https://c'}}]
"""


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("", NoCluster, "no cluster in"),
        ("a: [", Refused, "cannot be read: while parsing a flow node"),
        ("\x00", Refused, "cannot be read"),
        ("- a\n- b", Refused, "Expected `object`, got `array`"),
        ("clusters: {}", Refused, "Expected `array | null`, got `object` - at `$.clusters`"),
        ("clusters: [{name: c, cluster: {server: 5}}]", Refused, "Expected `str`, got `int`"),
        ("contexts: [{name: a}]", NoCluster, "no current context; choose one with --context: a"),
        (GOOD.replace("current-context: a", "current-context: b"), NoCluster, "no context 'b' in the kubeconfig"),
        (GOOD.replace("cluster: c, user", "cluster: d, user"), NoCluster, "names cluster 'd', which has no server"),
        (GOOD.replace("https://c", "https://[::1"), Refused, "server 'https://[::1', which is not a URL such as"),
        (GOOD.replace("https://c", "https://c:99999"), Refused, "is not a URL such as https://HOST:6443"),
        (GOOD.replace("https://c", "c:6443"), Refused, "is not a URL such as https://HOST:6443"),
        (
            GOOD.replace("'https://c'", "'https://c', proxy-url: 'http://p:0'"),
            Refused,
            "proxy 'http://p:0' is not a URL",
        ),
        (GOOD + 'users: [{name: u, user: {token: "a\\nb"}}]', Refused, "the token has characters that no token has"),
        (GOOD + "users: [{name: u, user: {token: a€}}]", Refused, "the token has characters that no token has"),
        (GOOD + "users: [{name: u, user: {auth-provider: {name: gcp}}}]", Refused, "uses auth-provider"),
        (GOOD + "users: [{name: u, user: {as: root}}]", Refused, "impersonates 'root'"),
        (GOOD + "users: [{name: u, user: {client-key: k}}]", Refused, "client-key of the kubeconfig cannot be read"),
        (GOOD + "users: [{name: u, user: {client-key-data: eA==}}]", Refused, "one of client-certificate and"),
        (GOOD + "users: [{name: u, user: {client-key-data: '?'}}]", Refused, "client-key-data"),
        (GOOD.replace("'https://c'", "'https://c', proxy-url: 'socks5://p'"), Refused, "SOCKS proxies"),
        (GOOD.replace("'https://c'", "'https://c', certificate-authority-data: eA=="), Refused, "not a PEM"),
        (GOOD + "users: [{name: u, user: {tokenFile: gone}}]", Refused, "tokenFile"),
        (GOOD + "users: [{name: u, user: {exec: {command: no-such-plugin, installHint: Buy it}}}]", Refused, "PATH"),
        (GOOD + "users: [{name: u, user: {exec: {command: 'false'}}}]", Refused, "failed (1): it says nothing"),
        (GOOD + "users: [{name: u, user: {exec: {command: echo, args: [x]}}}]", Refused, "printed no ExecCredential"),
    ],
)
def test_a_kubeconfig_that_cannot_work_gives_one_clear_line(
    tmp_path: Path, text: str, error: type[MeshError], words: str
) -> None:
    (tmp_path / "config").write_text(text)
    with pytest.raises(error) as told:
        Kube.connect(str(tmp_path / "config"), deadline=1).version()
    assert words in str(told.value)
    assert "\n" not in str(told.value)


def test_no_kubeconfig_anywhere_is_no_cluster() -> None:
    with pytest.raises(NoCluster, match=r"no cluster in ~/.kube/config"):
        load(None, None)


def test_a_kubeconfig_asked_for_must_exist(tmp_path: Path) -> None:
    with pytest.raises(NoCluster, match="no kubeconfig at"):
        load(str(tmp_path / "gone"), None)


def test_a_folder_in_the_place_of_a_kubeconfig_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", f"{tmp_path}/gone:{tmp_path}")
    for asked in (None, str(tmp_path)):
        with pytest.raises(Refused, match=f"kubeconfig {tmp_path} cannot be read: Is a directory"):
            load(asked, None)


def test_who_has_no_home_has_no_kubeconfig_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOME")
    monkeypatch.setattr("pwd.getpwuid", lambda uid: {}[uid])
    with pytest.raises(NoCluster, match="no cluster in ~/.kube/config"):
        load(None, None)


def test_of_several_files_the_first_mention_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "1").write_text("contexts: [{name: a, context: {cluster: c}}]")
    (tmp_path / "2").write_text(GOOD.replace("cluster: c, user", "cluster: other, user"))
    monkeypatch.setenv("KUBECONFIG", os.pathsep.join(str(tmp_path / name) for name in ("1", "gone", "2")))
    target = load(None, None)
    assert (target.context, target.cluster.server, target.namespace) == ("a", "https://c", "default")


def test_paths_in_a_kubeconfig_start_at_its_folder(tmp_path: Path) -> None:
    user = "{client-certificate: pki/me.crt, client-key: /abs/me.key, exec: {command: ./login}}"
    (tmp_path / "config").write_text(GOOD + f"users: [{{name: u, user: {user}}}]")
    read = load(str(tmp_path / "config"), None).user
    assert read.client_certificate == str(tmp_path / "pki/me.crt")
    assert read.client_key == "/abs/me.key"
    assert read.exec is not None
    assert read.exec.command == str(tmp_path / "login")


def whoever(asked: Asked) -> Reply:
    """Echoes the Authorization header as the user name."""
    return Reply({"status": {"userInfo": {"username": asked.headers["Authorization"] or "nobody"}}})


def plugin(folder: Path, *answers: dict[str, str]) -> Path:
    """A credential plug-in that gives one answer after the other, then the last for ever."""
    folder.mkdir(exist_ok=True)
    for number, answer in enumerate(answers):
        content = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": answer}
        (folder / f"{number}.json").write_text(json.dumps(content))
    script = folder / "login"
    script.write_text(
        f"#!/bin/sh\ncd {folder}\nn=$(cat count 2>/dev/null || echo 0)\nf=$n.json\n"
        f'[ -f "$f" ] || f={len(answers) - 1}.json\n'
        'echo $((n + 1)) > count\ncat "$f"\n'
    )
    script.chmod(0o755)
    return script


@pytest.mark.parametrize(
    ("user", "header"),
    [
        ("", "nobody"),
        ("token: abc", "Bearer abc"),
        ("username: jane, password: pw", "Basic amFuZTpwdw=="),
        ("tokenFile: token", "Bearer from-file"),
        ("token: old, tokenFile: token", "Bearer from-file"),
        ("exec: {command: plugin/login}", "Bearer from-plugin"),
        ("exec: {command: plugin/login, interactiveMode: Never, provideClusterInfo: true}", "Bearer from-plugin"),
    ],
)
def test_the_api_server_sees_who_the_kubeconfig_says_we_are(tmp_path: Path, user: str, header: str) -> None:
    (tmp_path / "token").write_text("from-file\n")
    plugin(tmp_path / "plugin", {"token": "from-plugin"})
    with serving(whoever) as api:
        assert Kube.connect(api.kubeconfig(tmp_path, user=user)).whoami() == header


def test_a_token_that_the_api_server_no_longer_accepts_is_asked_for_again(tmp_path: Path) -> None:
    plugin(tmp_path / "plugin", {"token": "old"}, {"token": "new"})

    def only_new(asked: Asked) -> Reply:
        fresh = asked.headers["Authorization"] == "Bearer new"
        return whoever(asked) if fresh else status(401, "Unauthorized", "Unauthorized")

    with serving(only_new) as api:
        kube = Kube.connect(api.kubeconfig(tmp_path, user="exec: {command: plugin/login}"))
        assert kube.whoami() == "Bearer new"


def test_nobody_is_asked_to_log_in_a_third_time(tmp_path: Path) -> None:
    plugin(tmp_path / "plugin", {"token": "old"})
    with serving(lambda _: status(401, "Unauthorized", "Unauthorized")) as api, pytest.raises(Refused):
        Kube.connect(api.kubeconfig(tmp_path, user="exec: {command: plugin/login}")).whoami()
    assert (tmp_path / "plugin" / "count").read_text().strip() == "2"


def test_a_token_past_its_expiry_is_asked_for_again(tmp_path: Path) -> None:
    plugin(tmp_path / "plugin", {"token": "1", "expirationTimestamp": "2020-01-01T00:00:00Z"}, {"token": "2"})
    with serving(whoever) as api:
        kube = Kube.connect(api.kubeconfig(tmp_path, user="exec: {command: plugin/login}"))
        kube.whoami()
        assert kube.whoami() == "Bearer 2"


def test_a_proxy_of_the_kubeconfig_is_used(tmp_path: Path) -> None:
    with serving(lambda _: Reply({"gitVersion": "v1.2.3"})) as proxy:
        config = write_kubeconfig(tmp_path / "config", "http://cluster.invalid", f"proxy-url: '{proxy.address}'")
        assert str(Kube.connect(config).version()) == "1.2.3"


@pytest.mark.parametrize("excluded", ["*", "cluster.invalid", ".invalid", "a.example,invalid"])
def test_no_proxy_excludes_names_with_their_subdomains(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, excluded: str
) -> None:
    monkeypatch.setenv("NO_PROXY", excluded)
    with serving(lambda _: Reply({"gitVersion": "v1.2.3"})) as proxy, pytest.raises(MeshError, match="resolve"):
        monkeypatch.setenv("HTTP_PROXY", proxy.address)
        Kube.connect(write_kubeconfig(tmp_path / "config", "http://cluster.invalid")).version()
