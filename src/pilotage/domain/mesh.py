"""The ServiceMesh resource as Python types. The CRD is generated from them, so they cannot differ from it."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from pilotage.domain.maintenance import MaintenanceWindow, Patches, WindowName
from pilotage.domain.objects import Obj
from pilotage.domain.restarts import Restarts

Name = Annotated[str, Meta(pattern="^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", min_length=1, max_length=40)]
Prefix = Annotated[str, Meta(pattern="^([a-z]+-)?$", description="asm- gives asm-1-31.")]
Text = Annotated[str, Meta(min_length=1, max_length=512)]
Duration = Annotated[str, Meta(pattern="^([0-9]{1,5}[smh])+$", max_length=20)]
Moment = Annotated[datetime, Meta(tz=True)]
Semver = Annotated[str, Meta(pattern=r"^\d+\.\d+\.\d+(-\d+)?$", max_length=40)]


class Owner(StrEnum):
    """Who installs a control plane: Pilotage, or someone else."""

    MANAGED = "Managed"
    EXTERNAL = "External"


class Mode(StrEnum):
    """`Disabled` removes the control planes once no proxy is left; the resource stays."""

    ISTIO = "Istio"
    DISABLED = "Disabled"


class ProfileName(StrEnum):
    """`istio`: upstream's names. `aks`: the provider's, so that its guide works as written."""

    ISTIO = "istio"
    AKS = "aks"


class _Spec(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, forbid_unknown_fields=True):
    pass


class Revision(_Spec, frozen=True):
    name: Annotated[Name, Meta(description="Name of the control plane, as in asm-1-31.")]
    version: Annotated[
        Semver | None,
        Meta(description="Istio version, to be kept. If absent: the newest patch, then patches in place."),
    ] = None
    owner: Annotated[Owner, Meta(description="Managed: installed by Pilotage. External: by someone else.")] = (
        Owner.MANAGED
    )
    values: Annotated[dict[str, Any], Meta(description="Helm values of istiod for this revision only.")] = {}


class Names(_Spec, frozen=True):
    """Overrides of the profile's names."""

    namespace: Annotated[Name | None, Meta(description="Namespace of the control planes.")] = None
    revision_prefix: Prefix | None = None


class Artifacts(_Spec, frozen=True):
    """Where charts and images come from. `{version}` in `charts` and `proxyImage` stands for the revision's version."""

    charts: Annotated[Text | None, Meta(description="A folder that holds Istio's charts, or oci://….")] = None
    hub: Annotated[Text | None, Meta(description="Registry and path of the images.")] = None
    proxy_image: Annotated[Text | None, Meta(description="Whole image of the proxy.")] = None


class GatewayType(StrEnum):
    """External and Internal: a LoadBalancer. Egress: a ClusterIP."""

    EXTERNAL = "External"
    INTERNAL = "Internal"
    EGRESS = "Egress"


class GatewayService(_Spec, frozen=True):
    """What is held of the gateway's Service beside its selector; all else of it is the user's."""

    annotations: Annotated[dict[str, str], Meta(description="For the load balancer.")] = {}
    spec: Annotated[dict[str, Any], Meta(description="Fields of the Service's spec, as in externalTrafficPolicy.")] = {}


class Gateway(_Spec, frozen=True):
    """A gateway: a Deployment per managed revision behind one Service of this name."""

    name: Annotated[Name, Meta(description="Name of the Service; Deployments add the revision.")]
    type: Annotated[GatewayType, Meta(description="External, Internal or Egress.")]
    namespace: Annotated[Name | None, Meta(description="The profile's if absent; created if it is not there.")] = None
    drain_seconds: (
        Annotated[
            int, Meta(ge=1, le=3600, description="How long a pod that goes takes requests, at least; 30 if absent.")
        ]
        | None
    ) = None
    service: GatewayService = GatewayService()
    values: Annotated[dict[str, Any], Meta(description="Helm values of Istio's chart gateway.")] = {}


class CatalogSource(_Spec, frozen=True):
    """Where the catalog of releases comes from: a ConfigMap, or a URL with the key that signs it."""

    config_map: Annotated[Name, Meta(description="In the mesh's namespace, with key catalog.yaml.")] | None = None
    url: (
        Annotated[
            str,
            Meta(pattern="^https?://[^ ]+$", max_length=512, description="https; URL + .sig has its signature."),
        ]
        | None
    ) = None
    public_key: (
        Annotated[
            str,
            Meta(pattern="^[A-Za-z0-9+/]{43}=$", description="Of ed25519, 32 bytes in base64: who signs what url has."),
        ]
        | None
    ) = None


class RestartMode(StrEnum):
    """Never: only people restart applications. InWindow: the operator restarts what is outdated."""

    NEVER = "Never"
    IN_WINDOW = "InWindow"


class ProxyRestarts(_Spec, frozen=True):
    """Whether and how the operator restarts workloads whose proxies are behind what injection gives now."""

    mode: Annotated[RestartMode, Meta(description="Never or InWindow.")] = RestartMode.NEVER
    window: Annotated[WindowName | None, Meta(description="One of maintenanceWindows, for InWindow.")] = None
    parallel: Annotated[int, Meta(ge=1, le=100, description="How many workloads at a time.")] = 1
    pause_seconds: Annotated[int, Meta(ge=0, le=86400, description="Between two that are begun, at least.")] = 0


class UpgradePolicy(_Spec, frozen=True):
    max_minor_step: Annotated[
        int, Meta(ge=1, le=2, description="2 allows one minor to be passed over between supported revisions.")
    ] = 1


class RemovalPolicy(_Spec, frozen=True):
    """How a removal goes that nobody confirmed with a verb: one by an edit of the resource, from Git or by hand."""

    soak: Annotated[
        Duration,
        Meta(description="How long nothing may use a revision before it goes. 0s removes it at once: dangerous."),
    ] = "1h"


class ServiceMeshSpec(_Spec, frozen=True):
    revisions: Annotated[
        list[Revision],
        Meta(min_length=1, max_length=2, description="One entry: settled. Two: a canary is in progress."),
    ]
    mode: Annotated[Mode, Meta(description="Istio or Disabled.")] = Mode.ISTIO
    profile: Annotated[
        ProfileName, Meta(description="Bundle of names; see names and artifacts to change single ones.")
    ] = ProfileName.ISTIO
    names: Names = Names()
    artifacts: Artifacts = Artifacts()
    values: Annotated[dict[str, Any], Meta(description="Helm values of istiod for every revision.")] = {}
    gateways: Annotated[list[Gateway], Meta(max_length=16, description="Each has pods of every revision.")] | None = (
        None
    )
    catalog: (
        Annotated[CatalogSource, Meta(description="Of releases; the one that Pilotage brings if absent.")] | None
    ) = None
    upgrade_policy: UpgradePolicy = UpgradePolicy()
    removal: RemovalPolicy = RemovalPolicy()
    maintenance_windows: (
        Annotated[list[MaintenanceWindow], Meta(max_length=10, description="When work may start; any time if none.")]
        | None
    ) = None
    patches: Patches | None = None
    proxy_restarts: Annotated[ProxyRestarts, Meta(description="Of applications; never if absent.")] | None = None


class Removal(msgspec.Struct, frozen=True):
    """A removal that soaks, as kept in the status: seen unused since `since`, to go at `until` if that lasts."""

    revision: str  # or EVERY_REVISION, or a gateway's namespace/name
    since: Moment
    until: Moment


class PatchState(msgspec.Struct, frozen=True, rename={"before": "from"}):
    """A patch under way, as kept in the status; with `failed`, its cause, one that has gone back or is on its way."""

    revision: str
    before: str  # version to return to
    to: str
    since: Moment
    failed: str = ""


class ServiceMesh(msgspec.Struct, frozen=True):
    """The resource as read: spec parsed, and what decisions need of its metadata and status."""

    spec: ServiceMeshSpec
    annotations: dict[str, str] = {}
    uid: str = ""
    generation: int = 0
    resource_version: str = ""
    managed_fields: tuple[Obj, ...] = ()
    removal: Removal | None = None
    leaving: tuple[Removal, ...] = ()  # gateways
    patch: PatchState | None = None
    restarts: Restarts | None = None  # of applications, as the operator last told
    versions: dict[str, str] = {}  # revision -> version, as last published
