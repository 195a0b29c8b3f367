"""Every string that the cluster sees: labels, annotations, managers, fixed object names."""

from collections.abc import Mapping
from typing import Final

GROUP: Final = "pilotage.dev"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"
MESH_KIND: Final = "ServiceMesh"
MESH_NAME: Final = "default"

# What Istio reads.
REV: Final = "istio.io/rev"
TAG: Final = "istio.io/tag"
INJECTION: Final = "istio-injection"
INJECT: Final = "sidecar.istio.io/inject"
INJECTION_STATUS: Final = "sidecar.istio.io/status"
DEFAULT_REVISION: Final = "default"
DEFAULT_VALIDATOR: Final = "istiod-default-validator"
INJECTOR_SUFFIX: Final = "sidecar-injector.istio.io"
PROXY_CONTAINER: Final = "istio-proxy"
MESH_KEY: Final = "mesh"
SYSTEM_NAMESPACES: Final = frozenset({"kube-system", "kube-public", "kube-node-lease", "local-path-storage"})

# What Pilotage writes.
MANAGED_BY: Final = "app.kubernetes.io/managed-by"
OWNER_LABEL: Final = f"{GROUP}/managed"  # "true" on every object that Pilotage installed
PART: Final = f"{GROUP}/part"  # a revision's name, BASE or `gateway_part`: the inventory an object belongs to
BASE: Final = "base"
GATEWAY: Final = f"{GROUP}/gateway"  # name of the gateway, on its Service, Deployments and pods
GATEWAY_ENTRY: Final = f"{GROUP}/gateway-entry"  # JSON on its Service: the entry of spec.gateways it was brought to
ISTIO_VERSION: Final = f"{GROUP}/istio-version"  # on a gateway's pods: another patch of Istio rolls them
GATEWAY_TEMPLATES: Final = "inject.istio.io/templates"  # annotation of a pod that is to become a gateway
CRD_VERSION: Final = f"{GROUP}/version"  # Istio version an Istio CRD was last applied from
APPLIED: Final = f"{GROUP}/applied"  # digest of what was last applied
RESTARTED_FOR: Final = f"{GROUP}/restarted-for"
SAVED_SELECTORS: Final = f"{GROUP}/saved-selectors"  # JSON: what a deactivated injector selected, by webhook
FORCE_REMOVAL: Final = f"{GROUP}/force-removal"
CONFIRMED_REMOVAL: Final = f"{GROUP}/confirmed-removal"  # a person decided it with a verb: no soak
FORCE_GATEWAY: Final = f"{GROUP}/force-gateway-removal"
CONFIRMED_GATEWAY: Final = f"{GROUP}/confirmed-gateway-removal"
PATCH_NOW: Final = f"{GROUP}/patch-now"  # a person asked for a patch: its window and its age do not count
EVERY_REVISION: Final = "*"  # what `disable` removes; no revision can be named so
PUT_BACK: Final = f"{GROUP}/put-back"  # JSON on a canary's HPA: corrections by field manager, and the last's time
WITHOUT_MESH_CONFIG: Final = f"{GROUP}/without-mesh-config"
LEASE: Final = "pilotage"

# Field managers. Flux reverts managers named kubectl*, so ours never are.
MANAGER: Final = "pilotage"
CREATE_MANAGER: Final = "pilotage-create"
MANAGERS: Final = (MANAGER, CREATE_MANAGER)

HELM_RELEASE: Final = "meta.helm.sh/release-name"
AKS_ADDON_LABEL: Final = "kubernetes.azure.com/managedby"


def suffixed(name: str, revision: str) -> str:
    """`istiod`, `asm-1-31` -> `istiod-asm-1-31`; the unnamed revision (`default`) adds nothing, as in the charts."""
    return name if revision in ("", DEFAULT_REVISION) else f"{name}-{revision}"


def gateway_part(revision: str, gateway: str) -> str:
    """The part of a gateway in one revision; its Service, which outlives them all, is in that of BASE.

    `_` is in no name of a revision, so this is never the name of one.
    """
    return f"{revision}_{gateway}"


def revision_in(part: str) -> str:
    """The revision of a part, of a gateway's too; BASE for what is no revision's."""
    return part.partition("_")[0]


def gateway_in(part: str) -> str:
    """The gateway of a part, "" for a control plane's."""
    return part.partition("_")[2]


def in_words(part: str) -> str:
    """`asm-1-31`, or `gateway edge of asm-1-31`."""
    gateway = gateway_in(part)
    return f"gateway {gateway} of {revision_in(part)}" if gateway else part


def shared_config(revision: str) -> str:
    """The user's mesh configuration of a revision."""
    return suffixed("istio-shared-configmap", revision)


def managed_config(revision: str) -> str:
    """The chart's mesh configuration of a revision; it wins over the shared one."""
    return suffixed("istio", revision)


def validator_name(revision: str, namespace: str) -> str:
    """The revision's own ValidatingWebhookConfiguration."""
    return f"{suffixed('istio-validator', revision)}-{namespace}"


def tag_webhook(tag: str, namespace: str) -> str:
    """A tag's MutatingWebhookConfiguration, named as istioctl 1.31 names it."""
    suffix = "" if namespace == "istio-system" else f"-{namespace}"
    return f"istio-revision-tag-{tag}{suffix}"


def tag_service(tag: str) -> str:
    return f"istiod-revision-tag-{tag}"


def installed_by_us(labels: Mapping[str, str]) -> bool:
    """By the labels of an object. A tag is never: istioctl copies our labels onto the tags it makes of a revision."""
    return labels.get(OWNER_LABEL) == "true" and TAG not in labels
