"""What another catalog would change for a mesh. Called by `catalog verify`."""

from typing import NamedTuple

from msgspec.structs import replace

from pilotage.decide.announcements import ANNOUNCED, announcements
from pilotage.decide.forecast import in_words
from pilotage.decide.patches import due, facts_of
from pilotage.decide.registries import retired_registries
from pilotage.decide.support import support_findings
from pilotage.domain.catalog import Catalog
from pilotage.domain.findings import Finding
from pilotage.domain.state import Snapshot


class Changes(NamedTuple):
    """Findings that would come and go, and patches that would be due then and are not now."""

    come: tuple[Finding, ...]
    go: tuple[Finding, ...]
    due: tuple[str, ...]

    def __bool__(self) -> bool:
        return any(self)


def changes(snapshot: Snapshot, catalog: Catalog) -> Changes:
    """With `catalog` in the place of the one in use. Needs control planes and the resource."""
    after = replace(snapshot, catalog=catalog)
    then, now = _said(after), _said(snapshot)
    come, go = tuple(each for each in then if each not in now), tuple(each for each in now if each not in then)
    before = _due(snapshot)
    return Changes(come, go, tuple(words for words in _due(after) if words not in before))


def _said(snapshot: Snapshot) -> tuple[Finding, ...]:
    """Of a catalog's rules. What support says of the running revisions is in the announcements already."""
    more = (*support_findings(snapshot), *retired_registries(snapshot))
    found = (*announcements(snapshot), *(each for each in more if each.code not in ANNOUNCED))
    return tuple(dict.fromkeys(found))


def _due(snapshot: Snapshot) -> tuple[str, ...]:
    facts = facts_of(snapshot)
    return tuple(map(in_words, due(facts))) if facts else ()
