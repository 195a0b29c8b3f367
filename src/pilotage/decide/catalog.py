"""Which version a revision's name stands for, and the door to catalogs of the user's own.

Called by the faces with the text that `edge.catalog` found, and by whoever turns names into versions.
"""

import re
from typing import get_args

from pilotage.domain.catalog import Catalog
from pilotage.domain.errors import Refused
from pilotage.domain.findings import Finding
from pilotage.domain.mesh import Name
from pilotage.domain.version import Version, minor_in_name, patch_in_name

_HOW = "give its version with --version, or in spec.revisions[].version"


def parse_catalog(text: str, source: str) -> Catalog:
    """YAML or JSON in the format of `data/catalog.yaml`. Raises Refused with one line: source, line, field, problem."""
    from pilotage.decide.catalogfile import read  # a YAML parser that the packaged catalog does not need

    return read(text, source)


def check_name(revision: str) -> None:
    """Raises Refused where `revision` cannot name a control plane."""
    rule = get_args(Name)[1]
    if not re.fullmatch(rule.pattern, revision) or len(revision) > rule.max_length:
        limit = f"at most {rule.max_length} characters, {rule.pattern}"
        raise Refused(f"{revision!r} cannot be the name of a revision: {limit}", fix="pilotage get-revisions")


def version_of(name: str, given_version: str | None, catalog: Catalog) -> Version:
    """The version that revision `name` runs: the one given, else the patch in its name, else its minor's newest patch.

    Raises Refused for a malformed name or version, and where the name says nothing that the catalog knows.
    """
    check_name(name)
    if given_version is not None:
        return _given(name, given_version)
    minor = minor_in_name(name)
    if minor is None:
        raise Refused(f"revision {name} does not say which Istio it is: {_HOW}", fix="pilotage get-revisions")
    exact = patch_in_name(name)
    if exact is not None:
        return exact
    known = catalog.find(minor)
    if known is None:
        minors = ", ".join(str(release.minor) for release in catalog.minors)
        text = f"revision {name}: no Istio {minor} in the catalog, only {minors}; {_HOW}"
        found = Finding("UnknownRevision", text, name, "pilotage get-revisions")
        raise Refused(text, fix=found.fix, findings=(found,))
    return known.newest


def _given(name: str, text: str) -> Version:
    """As the CRD takes it. A suffix would be lost: nobody gets 1.31.0 for 1.31.0-rc.1."""
    wrong = Refused(f"revision {name}: {text!r} is not a version; write it as 1.31.0", fix="pilotage get-revisions")
    try:
        version = Version.parse(text)
    except ValueError:
        raise wrong from None
    if text != str(version):
        raise wrong
    return version
