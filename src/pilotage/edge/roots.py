"""Which root of trust each revision's istiod serves, without reading a Secret. Called by `observe`; pure.

istiod writes the root of the CA that it serves into the caBundle of its own revision's webhooks, and only there (it
patches no webhook of another revision), so equal bundles mean one root. ConfigMap istio-ca-root-cert is shared: only
the istiod that leads writes it, so it tells no revision from another. The chain on 15012 need not hold the root.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable
from typing import Final

from pilotage.domain.istio import WebhookConfig
from pilotage.domain.names import INJECTOR_SUFFIX

_CERTIFICATE: Final = re.compile(rb"-----BEGIN CERTIFICATE-----(.+?)-----END CERTIFICATE-----", re.DOTALL)


def roots_of(injectors: Iterable[WebhookConfig]) -> dict[str, str]:
    """Revision -> digest of the certificates in its own injector's caBundle. A revision without one is left out."""
    roots = {}
    for config in injectors:
        if config.tag:
            continue  # a copy, as old as the tag
        bundle = next((hook.ca_bundle for hook in config.webhooks if hook.name.endswith(INJECTOR_SUFFIX)), "")
        digest = _digest(bundle)
        if digest:
            roots[config.revision] = digest
    return roots


def _digest(bundle: str) -> str:
    """Of the set of certificates: order, comments and line breaks say nothing. "" where there is none."""
    try:
        found = _CERTIFICATE.findall(base64.b64decode(bundle, validate=True))
        certificates = sorted({base64.b64decode(b"".join(body.split()), validate=True) for body in found})
    except binascii.Error:
        return ""
    return hashlib.sha256(b"".join(certificates)).hexdigest() if certificates else ""
