"""ed25519: is a text what the holder of a key signed? Called by the faces for catalogs that come from a URL."""

import base64
import binascii

from pilotage.domain.errors import Refused

_KEY, _SIGNATURE = 32, 64  # bytes


def verify(text: bytes, signature: str, public_key: str) -> None:
    """Both in base64, in lines or not. Raises Refused where the signature is not that of the key, or is none."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    key = Ed25519PublicKey.from_public_bytes(_decoded(public_key, _KEY, "the public key"))
    try:
        key.verify(_decoded(signature, _SIGNATURE, "the signature"), text)
    except InvalidSignature:
        raise Refused("the signature is not that of the key", fix="sign it with the key that publicKey names") from None


def _decoded(text: str, length: int, what: str) -> bytes:
    try:
        found = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        found = b""
    if len(found) != length:
        raise Refused(f"{what} is not {length} bytes in base64", fix="pilotage explain CatalogRejected")
    return found
