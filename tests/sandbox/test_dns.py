"""What the sandbox's resolver answers to real pods."""

import struct

import pytest

from pilotage_sandbox.dns import answer
from pilotage_sandbox.kube import Change
from pilotage_sandbox.services import ServiceTable

A, AAAA = 1, 28


@pytest.fixture
def services() -> ServiceTable:
    """One Service with an address, and one that has none."""
    table = ServiceTable()
    for name, address in (("istiod", "10.96.0.7"), ("headless", "None")):
        service = {"metadata": {"namespace": "mesh", "name": name}, "spec": {"clusterIP": address}}
        table.change_service(Change("ADDED", service))
    return table


def question(name: str, kind: int = A) -> bytes:
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return struct.pack("!6H", 7, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!HH", kind, 1)


def said(datagram: bytes) -> tuple[int, int, bytes]:
    """Response code, number of answers, and the last four bytes."""
    number, flags, _, answers, _, _ = struct.unpack_from("!6H", datagram)
    assert number == 7
    return flags & 0xF, answers, datagram[-4:]


def test_the_name_of_a_service_has_its_cluster_ip_in_any_case(services: ServiceTable) -> None:
    for name in ("istiod.mesh.svc.cluster.local", "ISTIOD.mesh.svc.cluster.LOCAL"):
        assert said(answer(question(name), services)) == (0, 1, bytes([10, 96, 0, 7]))


def test_a_service_has_no_address_of_another_family_but_exists(services: ServiceTable) -> None:
    assert said(answer(question("istiod.mesh.svc.cluster.local", AAAA), services))[:2] == (0, 0)


@pytest.mark.parametrize(
    "name",
    ["istiod.mesh.svc", "gone.mesh.svc.cluster.local", "headless.mesh.svc.cluster.local", "www.example.com"],
)
def test_all_other_names_are_said_not_to_exist(services: ServiceTable, name: str) -> None:
    assert said(answer(question(name), services))[:2] == (3, 0)


def test_what_is_no_question_is_not_answered(services: ServiceTable) -> None:
    whole = question("istiod.mesh.svc.cluster.local")
    assert [answer(whole[:end], services) for end in (0, 5, 12, 20, len(whole) - 1)] == [b""] * 5
