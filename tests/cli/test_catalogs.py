"""Which catalog holds: the one that is named, the last good one of it, or the packaged one; and what is said of it."""

from collections.abc import Callable

import pytest

from catalogsite import CATALOG, NEWER, OLDER, Site, publishing
from pilotage.domain.mesh import CatalogSource
from pilotage.domain.objects import Obj
from pilotage.edge.catalog import KEPT, Kept, packaged_catalog
from pilotage.faces.catalogs import fetched, of_mesh

BUILT_IN = packaged_catalog()
MINE = CatalogSource(config_map="mine")


def configmap(text: str) -> Obj:
    return {"data": {"catalog.yaml": text}}


def kept(of: Kept) -> Obj:
    names = ("source", "catalog.yaml", "signature", "code", "trouble")
    return {"data": dict(zip(names, of, strict=True))}


def used(place: CatalogSource, **there: Obj) -> tuple[str, str]:
    """Until when the catalog in use is complete, and the code of what is wrong."""
    found = of_mesh(place, lambda name: there.get(name.replace("-", "_")), BUILT_IN)
    return str(found.complete_until), found.trouble.code if found.trouble else ""


BEFORE = kept(Kept("configmap/mine", CATALOG))


@pytest.mark.parametrize(
    ("there", "until", "code"),
    [
        ({"mine": configmap(NEWER)}, "2026-10-19", ""),
        ({"mine": configmap(NEWER[:-1])}, "2026-10-19", ""),  # the end of the last line
        ({"mine": configmap(NEWER[:-3]), "pilotage_catalog": BEFORE}, "2026-10-15", "CatalogRejected"),
        ({"mine": configmap("hello"), "pilotage_catalog": BEFORE}, "2026-10-15", "CatalogRejected"),
        ({"mine": {}, "pilotage_catalog": BEFORE}, "2026-10-15", "CatalogRejected"),
        ({"pilotage_catalog": BEFORE}, "2026-10-15", "CatalogRejected"),
        ({"pilotage_catalog": kept(Kept("configmap/other", CATALOG))}, "2026-10-01", "CatalogRejected"),
        ({"pilotage_catalog": kept(Kept("configmap/mine", "old format"))}, "2026-10-01", "CatalogRejected"),
        ({}, "2026-10-01", "CatalogRejected"),
    ],
)
def test_a_configmap_holds_or_the_last_good_one_of_it(there: dict[str, Obj], until: str, code: str) -> None:
    assert used(MINE, **there) == (until, code)


def test_the_name_of_what_is_kept_is_not_that_of_a_users() -> None:
    assert KEPT == "pilotage-catalog"


@pytest.mark.parametrize(
    "place",
    [
        CatalogSource(),
        CatalogSource(url="https://example.invalid/c"),
        CatalogSource(public_key="A" * 43 + "="),
        CatalogSource(config_map="mine", url="https://example.invalid/c", public_key="A" * 43 + "="),
    ],
)
def test_a_place_that_names_nothing_or_two_things_is_rejected(place: CatalogSource) -> None:
    assert used(place, mine=configmap(CATALOG)) == ("2026-10-01", "CatalogRejected")


def at(site: Site) -> CatalogSource:
    return CatalogSource(url=site.url, public_key=site.public_key)


@pytest.mark.parametrize(
    ("spoil", "code", "cause"),
    [
        (lambda site: site.publish(NEWER, signed_by=Site().key), "CatalogRejected", "is not that of the key"),
        (
            lambda site: site.files.update({"/catalog.yaml": NEWER.encode()}),
            "CatalogRejected",
            "is not that of the key",
        ),
        (lambda site: site.publish(NEWER[:-40]), "CatalogRejected", "line "),
        (lambda site: site.publish("hello"), "CatalogRejected", "line 1"),
        (lambda site: site.publish(OLDER), "CatalogRejected", "older than the one that is kept"),
        (lambda site: site.publish(NEWER + "#" * 600_000), "CatalogRejected", "larger than 512 KiB"),
        (lambda site: setattr(site, "fault", "404"), "CatalogStale", "answered 404"),
        (lambda site: setattr(site, "fault", "cut"), "CatalogStale", "was cut short"),
    ],
)
def test_a_bad_one_at_a_url_leaves_the_last_good_one_and_names_the_cause(
    spoil: Callable[[Site], None], code: str, cause: str
) -> None:
    with publishing() as site:
        good = fetched(at(site), Kept(""))
        spoil(site)
        after = fetched(at(site), good)
        assert (after.text, after.signature, after.code) == (CATALOG, good.signature, code)
        assert cause in after.trouble
        assert used(at(site), pilotage_catalog=kept(after)) == ("2026-10-15", code)


def test_one_that_is_mended_is_taken_and_nothing_is_wrong_any_more() -> None:
    with publishing() as site:
        bad = fetched(at(site), fetched(at(site), Kept(""))._replace(code="CatalogStale", trouble="it was away"))
        site.publish(NEWER)
        assert used(at(site), pilotage_catalog=kept(fetched(at(site), bad))) == ("2026-10-19", "")


def test_another_url_begins_without_what_was_kept_and_may_be_older() -> None:
    with publishing() as site:
        before = Kept("https://example.invalid/c", NEWER, "signature of another")
        assert used(at(site), pilotage_catalog=kept(before)) == ("2026-10-01", "CatalogStale")
        assert fetched(at(site), before).text == CATALOG


def test_what_is_kept_of_a_url_counts_only_with_the_signature_of_todays_key() -> None:
    with publishing() as site:
        good = fetched(at(site), Kept(""))
        forged = good._replace(text=NEWER)
        assert used(at(site), pilotage_catalog=kept(forged)) == ("2026-10-01", "CatalogRejected")
        unsigned = good._replace(signature="")
        assert used(at(site), pilotage_catalog=kept(unsigned)) == ("2026-10-01", "CatalogRejected")
        site.key = Site().key
        assert used(at(site), pilotage_catalog=kept(good)) == ("2026-10-01", "CatalogRejected")


def test_a_forged_copy_keeps_no_newer_one_out() -> None:
    with publishing() as site:
        forged = fetched(at(site), Kept(""))._replace(text=NEWER.replace("2026-10-19", "2036-01-01"))
        assert fetched(at(site), forged).text == CATALOG
