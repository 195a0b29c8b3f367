"""Whether what was rendered is a whole control plane. Called by `desired`, ahead of any comparison with the cluster.

What a chart no longer renders is deleted. So one line of values that leaves istiod away would take it, unasked, from
every proxy that it serves, and leave a webhook that fails closed at nothing.
"""

from collections.abc import Iterable
from typing import Final

from pilotage.domain.errors import Refused
from pilotage.domain.names import suffixed
from pilotage.domain.objects import Obj

_NAMED: Final = (("Service", "istiod"), ("ConfigMap", "istio-sidecar-injector"), ("Deployment", "istiod"))
_FIX: Final = "take out of values what leaves them away: profile, istiodRemote, global.resourceScope or the like"


def refuse_halves(revision: str, objects: Iterable[Obj]) -> None:
    """Raises Refused where a part is missing that a revision lives by. Not its validator: that may be switched off."""
    there = {(obj["kind"], obj["metadata"]["name"]) for obj in objects}
    wanted = [(kind, suffixed(name, revision)) for kind, name in _NAMED]
    lacks = [f"{kind} {name}" for kind, name in wanted if (kind, name) not in there]
    if all(kind != "MutatingWebhookConfiguration" for kind, _ in there):
        lacks.append("webhook that injects")
    if lacks:
        raise Refused(f"with these values {revision} would have no {', no '.join(lacks)}", fix=_FIX)
