"""Gateways that nobody asks for and that stand come back as they were. Called by `gateway enable` and `enable`.

What each was asked to be is on its Service: see `decide.gateway_entry`.
"""

from collections.abc import Iterator
from typing import NamedTuple, NoReturn

from pilotage.decide.gateway_entry import Standing, address_of, as_written, enabling, standing_services
from pilotage.decide.gateway_removal import leaving_gateways, lost
from pilotage.domain.errors import Refused
from pilotage.domain.gateways import PLACES, GatewayPlace
from pilotage.domain.mesh import Gateway, ProfileName
from pilotage.domain.profile import Profile
from pilotage.domain.state import Snapshot
from pilotage.edge.observe import observe, refuse_blind
from pilotage.faces.cli.session import Session


class Comeback(NamedTuple):
    """An entry for `spec.gateways` as it was, and what of it is to be said."""

    entry: Gateway
    words: str


def taken_back(snapshot: Snapshot, profile: ProfileName, wish: Gateway) -> Comeback | None:
    """The gateway of that name that is leaving; None where none is.

    Raises Refused where it is another than the one that is wished for, or where what it was is not known.
    """
    leaving = [place for place in leaving_gateways(snapshot) if place.name == wish.name]
    if not leaving:
        return None
    there = _chosen(leaving, wish, PLACES[profile][wish.type].namespace)
    standing = next((each for each in standing_services(snapshot) if each.place == there), None)
    if standing is not None and standing.deleting:
        words = f"Service {there} is being deleted, and its address with it"
        raise Refused(words, fix="kubectl get service -A, until it is gone; then the same command makes a new one")
    if standing is None or standing.entry is None:
        words = f"gateway {there} is leaving, and what it was asked to be is not known"
        raise Refused(
            words, fix=f"put it back into spec.gateways, or remove it first: pilotage gateway disable {there}"
        )
    if standing.entry.type is not wish.type:
        _refuse_type(snapshot, there, standing.entry)
    return Comeback(as_written(standing.entry, profile), _words(standing, standing.entry))


def all_back(session: Session, profile: Profile) -> list[Gateway]:
    """Every gateway that stands, for a resource made anew. One of which nothing is known is not in it: it soaks."""
    seen = observe(session.kube, profile, session.catalog, session.now, parts=frozenset({"live"}))
    refuse_blind(seen, frozenset({"live"}))
    found = {each.place.name: each.entry for each in standing_services(seen) if each.entry and not each.deleting}
    return [as_written(found[name], profile.name) for name in sorted(found)]


def _chosen(leaving: list[GatewayPlace], wish: Gateway, usual: str) -> GatewayPlace:
    """Where it stands; without a namespace in the wish, there where the only one is."""
    if wish.namespace is None and len(leaving) == 1:
        return leaving[0]
    there = GatewayPlace(wish.name, wish.namespace or usual)
    if there not in leaving:
        words = f"gateway {leaving[0]} is still there and leaving"
        fix = f"take it back with -n {leaving[0].namespace}, or remove it first: pilotage gateway disable {leaving[0]}"
        raise Refused(words, fix=fix)
    return there


def _refuse_type(snapshot: Snapshot, there: GatewayPlace, entry: Gateway) -> NoReturn:
    words = f"gateway {there} is still there as {entry.type}, and leaving: with another type {lost(snapshot, there)}"
    raise Refused(words, fix=f"take it back: {enabling(entry)}; or remove it first: pilotage gateway disable {there}")


def _words(standing: Standing, entry: Gateway) -> str:
    address = address_of(standing.service)
    what = [f"Service {standing.place}" + (f" with address {address}" if address else ""), *_settings(entry)]
    return f"Gateway {standing.place.name} was leaving and comes back as it was: {', '.join(what)}."


def _settings(entry: Gateway) -> Iterator[str]:
    """Names of what it has beside name, type and namespace."""
    if entry.drain_seconds:
        yield f"drainSeconds {entry.drain_seconds}"
    for name, value in (("service.annotations", entry.service.annotations), ("service.spec", entry.service.spec)):
        if value:
            yield f"{name} {', '.join(sorted(value))}"
    if entry.values:
        yield f"values {', '.join(sorted(entry.values))}"
