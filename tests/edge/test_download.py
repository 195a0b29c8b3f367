"""A file from a URL: in time, in size, whole, and not by just any way; and whether it is signed."""

import base64
import subprocess
from pathlib import Path

import pytest

from catalogsite import CATALOG, Site, publishing
from pilotage.domain.errors import MeshError, Refused, Retry
from pilotage.edge.catalog import signed
from pilotage.edge.download import download
from pilotage.edge.signature import verify


def test_what_is_published_and_signed_is_taken() -> None:
    with publishing() as site:
        assert signed(site.url, site.public_key)[0] == CATALOG


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        ("404", Retry, "answered 404"),
        ("cut", Retry, "cannot be reached|was cut short: 10 bytes are missing"),
        ("redirect", Refused, "http://example.invalid/catalog.yaml is not fetched: only https is"),
        ("hang", Retry, "did not answer within 0.5 s"),
    ],
)
def test_a_site_that_does_not_do_its_work_is_named_with_the_cause(
    fault: str, kind: type[MeshError], words: str
) -> None:
    with publishing() as site, pytest.raises(kind, match=words):
        site.fault = fault
        download(site.url, deadline=0.5)


def test_a_file_without_end_is_given_up() -> None:
    with publishing() as site:
        site.files["/catalog.yaml"] = b"x" * 3000
        with pytest.raises(Refused, match="larger than 2 KiB"):
            download(site.url, limit=2048)


def test_nobody_there_is_said() -> None:
    with publishing() as site:
        url = site.url
    with pytest.raises(Retry, match="cannot be reached"):
        download(url)


@pytest.mark.parametrize("url", ["http://example.invalid/c", "file:///etc/hostname", "ftp://127.0.0.1/c", "c.yaml"])
def test_only_https_is_fetched_but_from_this_machine(url: str) -> None:
    with pytest.raises(Refused, match="only https is"):
        download(url)


@pytest.mark.parametrize("url", ["https://[", "https://a:99999/c", "https://a:b/c"])
def test_what_is_no_url_is_named(url: str) -> None:
    with pytest.raises(Refused, match="is not a URL"):
        download(url)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda site: site.publish(CATALOG, signed_by=Site().key), "the signature is not that of the key"),
        (
            lambda site: site.files.update({"/catalog.yaml": CATALOG.replace("1.30.6", "1.30.8").encode()}),
            "not that of",
        ),
        (lambda site: site.files.update({"/catalog.yaml": CATALOG[:-30].encode()}), "not that of the key"),
        (lambda site: site.files.update({"/catalog.yaml.sig": b"hello"}), "the signature is not 64 bytes in base64"),
        (lambda site: site.files.update({"/catalog.yaml.sig": b"\xff\xfe"}), "the signature is not 64 bytes in base64"),
    ],
)
def test_what_is_not_signed_as_it_stands_is_refused(spoil: object, words: str) -> None:
    with publishing() as site, pytest.raises(Refused, match=words):
        spoil(site)  # type: ignore[operator]
        signed(site.url, site.public_key)


@pytest.mark.parametrize("key", ["", "AAAA", "not base64!", base64.b64encode(b"x" * 33).decode()])
def test_a_key_that_is_none_is_named(key: str) -> None:
    with pytest.raises(Refused, match="the public key is not 32 bytes in base64"):
        verify(b"", "", key)


def test_what_openssl_signs_is_taken(tmp_path: Path) -> None:
    """With the commands of docs/guide/releases.md."""
    (tmp_path / "catalog.yaml").write_text(CATALOG)
    script = (
        "openssl genpkey -algorithm ed25519 -out key.pem && "
        "openssl pkeyutl -sign -rawin -inkey key.pem -in catalog.yaml | base64 > catalog.yaml.sig && "
        "openssl pkey -in key.pem -pubout -outform DER | tail -c 32 | base64"
    )
    key = subprocess.run(["sh", "-c", script], cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    verify(CATALOG.encode(), (tmp_path / "catalog.yaml.sig").read_text(), key)
