"""Addresses of real pods."""

from ipaddress import IPv4Address, IPv4Network

import pytest

from pilotage_sandbox.podnet import Addresses, NetworkError

GATEWAY = IPv4Address("10.0.0.1")


def test_no_address_is_handed_out_twice_and_never_the_gateways() -> None:
    addresses = Addresses(IPv4Network("10.0.0.0/29"), [GATEWAY])
    assert [str(addresses.take()) for _ in range(5)] == [f"10.0.0.{last}" for last in (2, 3, 4, 5, 6)]
    with pytest.raises(NetworkError, match="no free address"):
        addresses.take()


def test_an_address_given_back_is_the_last_to_be_used_again() -> None:
    addresses = Addresses(IPv4Network("10.0.0.0/29"), [GATEWAY])
    first = addresses.take()
    addresses.give_back(first)
    assert [addresses.take() for _ in range(5)][-1] == first
