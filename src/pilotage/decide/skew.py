"""This Pilotage beside the resource in the cluster: one may be newer than the other. Called by faces."""

from collections.abc import Iterator, Sequence

from pilotage.domain.findings import Finding
from pilotage.domain.version import Version

_UPDATE = "pilotage enable (with ClusterRole pilotage-full), or upgrade the chart: its operator updates the CRD"
_UPGRADE = "pip install --upgrade pilotage, or the image of its chart"


def skew(ours: Version, there: Version | None, newer_fields: Sequence[str] = ()) -> Iterator[Finding]:
    """`there`: version of the CRD's schema, None if unknown. `newer_fields`: of the resource, which we do not know."""
    if there is not None and there < ours:
        words = f"the CRD of ServiceMesh has schema {there}, this pilotage knows {ours}: its new settings wait"
        yield Finding("CRDOlder", words, fix=_UPDATE)
    if newer_fields or (there is not None and there > ours):
        left = f"{', '.join(newer_fields)} is left out here" if newer_fields else f"this pilotage knows {ours}"
        words = f"the CRD of ServiceMesh has schema {there}, {left}" if there else f"the ServiceMesh is newer: {left}"
        yield Finding("CRDNewer", words, fix=_UPGRADE)
