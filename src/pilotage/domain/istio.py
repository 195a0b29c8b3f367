"""Facts of Istio: webhooks, control planes, what istiod says of its proxies, labelled resources."""

import msgspec

from pilotage.domain.names import REV, TAG, installed_by_us
from pilotage.domain.objects import Obj
from pilotage.domain.version import Version


class Requirement(msgspec.Struct, frozen=True):
    """One line of a label selector: operator In, NotIn, Exists, DoesNotExist."""

    key: str
    operator: str
    values: tuple[str, ...] = ()


class Selector(msgspec.Struct, frozen=True):
    """matchLabels are turned to `In` requirements. No requirement matches everything."""

    requirements: tuple[Requirement, ...] = ()


class Webhook(msgspec.Struct, frozen=True):
    name: str
    service: tuple[str, str] | None = None  # (namespace, name)
    path: str = ""
    url: str = ""
    ca_bundle: str = ""  # base64, as in the object
    failure_policy: str = "Fail"
    namespaces: Selector = Selector()
    pods: Selector = Selector()


class WebhookConfig(msgspec.Struct, frozen=True):
    """A Mutating- or ValidatingWebhookConfiguration of Istio."""

    kind: str
    name: str
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    webhooks: tuple[Webhook, ...] = ()
    raw: Obj = {}

    @property
    def revision(self) -> str:
        return self.labels.get(REV, "")

    @property
    def tag(self) -> str:
        """The tag's name, or "" for a revision's own webhook."""
        return self.labels.get(TAG, "")

    @property
    def ours(self) -> bool:
        return installed_by_us(self.labels)


class RevisionService(msgspec.Struct, frozen=True):
    """A Service of the mesh namespace that carries label istio.io/rev: a control plane's, a tag's, or a gateway's."""

    namespace: str
    name: str
    labels: dict[str, str] = {}

    @property
    def revision(self) -> str:
        return self.labels.get(REV, "")

    @property
    def tag(self) -> str:
        return self.labels.get(TAG, "")


class ControlPlane(msgspec.Struct, frozen=True):
    """One istiod Deployment. `version` from its image tag or label, None where it says nothing."""

    revision: str  # "default" for the unnamed one
    namespace: str
    name: str
    version: Version | None = None
    desired: int = 1
    available: int = 1
    updated: int = 1
    managed: bool = False  # carries our label
    owner: str = ""  # who put it there, as far as it shows: Helm release, Argo CD, …
    image: str = ""
    reason: str = ""  # why it is not available: pod and cause
    oldest: str = ""  # creation of its oldest living pod, RFC 3339
    outdated: int = 0  # pods of a template before that are still there
    served: bool = False  # all its replicas were available once, of the template that it has now


class Proxy(msgspec.Struct, frozen=True):
    """A proxy as one istiod sees it. `name` is `pod.namespace`."""

    name: str
    version: str = ""
    synced: bool = True
    pending: tuple[str, ...] = ()  # short types not acknowledged: CDS, LDS, …
    rejected: tuple[str, ...] = ()  # short types with their errors
    cluster: str = "Kubernetes"


class IstiodReport(msgspec.Struct, frozen=True):
    """What one istiod pod answered; `error` says why it could not be asked, then the rest is unknown."""

    revision: str
    pod: str
    proxies: tuple[Proxy, ...] = ()
    rejects: int = 0
    injection_failures: int = 0
    error: str = ""


class IstioGateway(msgspec.Struct, frozen=True):
    """A Gateway of networking.istio.io: which pods it configures, and the hosts that they serve by it."""

    namespace: str
    name: str
    selector: dict[str, str] = {}
    hosts: tuple[str, ...] = ()


class IstioResource(msgspec.Struct, frozen=True):
    """A VirtualService, Gateway, … that carries label istio.io/rev."""

    api_version: str
    kind: str
    namespace: str
    name: str
    revision: str
