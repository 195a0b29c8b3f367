"""The table of rules: a row is a code, its severity, what it blocks and where the rule comes from.

A rule itself is a function in `decide` that yields `Finding(code, …)`; this table is what docs, CLI and CI read.
"""

from enum import StrEnum
from typing import NamedTuple

import msgspec


class Severity(StrEnum):
    ERROR = "Error"
    WARNING = "Warning"
    INFO = "Info"


class Verb(StrEnum):
    """Verbs that a finding can block."""

    ENABLE = "enable"
    DISABLE = "disable"
    START = "upgrade start"
    COMPLETE = "upgrade complete"
    ROLLBACK = "upgrade rollback"
    MOVE = "namespace move"
    TAG = "tag set"
    GATEWAY = "gateway enable"
    GATEWAY_DISABLE = "gateway disable"


class Rule(NamedTuple):
    code: str
    severity: Severity
    blocks: frozenset[Verb]
    source: str
    title: str


class Finding(msgspec.Struct, frozen=True):
    """One answer of one rule. `subject` is what it is about, `fix` the next command, `raised` its own severity."""

    code: str
    message: str
    subject: str = ""
    fix: str = ""
    raised: Severity | None = None

    @property
    def rule(self) -> Rule:
        return RULES[self.code]

    @property
    def severity(self) -> Severity:
        return self.raised or self.rule.severity

    @property
    def page(self) -> str:
        """The command that prints the page of the code, wherever Pilotage is installed."""
        return f"pilotage explain {self.code}"

    def blocks(self, verb: Verb) -> bool:
        return verb in self.rule.blocks


_E, _W, _I = Severity.ERROR, Severity.WARNING, Severity.INFO
_START = frozenset({Verb.START})
_INSTALL = frozenset({Verb.ENABLE, Verb.START})
_REMOVE = frozenset({Verb.COMPLETE, Verb.ROLLBACK})
_NONE: frozenset[Verb] = frozenset()

_ROWS = (
    # Which revisions may be started
    Rule("UnknownRevision", _E, _INSTALL, "catalog", "The revision is not in the catalog"),
    Rule(
        "TargetNotOffered", _E, _START, "guide, support policy", "The revision is not an upgrade of the installed one"
    ),
    Rule("KubernetesIncompatible", _E, _INSTALL, "Istio support table", "The revision does not run on this Kubernetes"),
    Rule("Unsupported", _W, _NONE, "Istio support table", "An installed revision is past its end of support"),
    Rule("SupportEnding", _I, _NONE, "Istio support table", "An installed revision's end of support is near"),
    Rule("NewPatch", _I, _NONE, "catalog", "A newer patch of an installed minor is out"),
    Rule("NewMinor", _I, _NONE, "catalog", "A newer minor is out"),
    Rule("CatalogRejected", _W, _NONE, "the last good one stays", "A catalog was not taken: another is used"),
    Rule("CatalogStale", _W, _NONE, "the last good one stays", "A catalog cannot be reached: another is used"),
    Rule("PatchToAvoid", _W, _NONE, "catalog: avoid", "A patch is known to be harmful"),
    Rule("BadPair", _W, _NONE, "catalog: badPairs", "Proxies meet an istiod that they do not work with"),
    Rule("CanaryInProgress", _E, _START, "guide: one canary at a time", "A canary is already there"),
    Rule(
        "MeshNotEnabled", _E, frozenset({Verb.START, Verb.COMPLETE, Verb.ROLLBACK}), "az aks mesh", "No mesh is enabled"
    ),
    Rule("NoUpgradeInProgress", _E, _REMOVE, "az aks mesh", "There is no canary to complete or roll back"),
    # The cluster before an install
    Rule("MeshConfigMissing", _E, _START, "guide step 2", "Stable has a mesh configuration, the new revision has none"),
    Rule("MeshConfigInvalid", _E, _INSTALL, "istiod skips an invalid source", "A mesh configuration does not parse"),
    Rule(
        "MeshConfigOverridden",
        _I,
        _NONE,
        "istiod: last source wins",
        "The managed mesh configuration wins over the user's",
    ),
    Rule("WebhookOverlap", _E, _START, "Istio analyzer IST0139", "Two injection webhooks match the same pod"),
    Rule(
        "UnknownRevisionLabel",
        _E,
        _START,
        "injection selectors",
        "A label selects a revision or tag that is not there",
    ),
    Rule("InjectionLabelConflict", _E, _START, "injection selectors", "istio-injection beside istio.io/rev"),
    Rule("CapacityShort", _E, _INSTALL | {Verb.GATEWAY}, "AKS troubleshooting", "The nodes cannot hold the canary"),
    Rule("QuotaShort", _E, _INSTALL | {Verb.GATEWAY}, "Kubernetes ResourceQuota", "A quota cannot hold the canary"),
    Rule("PermissionMissing", _E, frozenset(Verb), "SelfSubjectAccessReview", "You may not do what the verb needs"),
    Rule("ForeignControlPlane", _E, _INSTALL, "never touch what is not ours", "An Istio that Pilotage did not install"),
    Rule("MeshElsewhere", _E, frozenset(Verb), "a mesh never moves", "Our control planes are in another namespace"),
    Rule("ForeignBase", _I, _NONE, "never touch what is not ours", "Cluster-wide Istio objects have another owner"),
    Rule("AddonPresent", _E, _INSTALL, "AKS add-on", "The provider's Istio add-on is on"),
    Rule("RetiredRegistry", _W, _NONE, "istio#61467", "Charts or images come from a home that closes"),
    Rule("CRDOlder", _W, _NONE, "the API server drops what its CRD lacks", "The CRD is older than this pilotage"),
    Rule("CRDNewer", _W, _NONE, "who writes must know every field", "The CRD is newer than this pilotage"),
    Rule("NoOperator", _I, _NONE, "a verb ends", "No operator runs here"),
    # Is a control plane proven
    Rule("IstiodNotAvailable", _E, _REMOVE, "proof: available", "istiod of a revision is not available"),
    Rule(
        "CABundleEmpty",
        _E,
        frozenset({Verb.COMPLETE, Verb.ROLLBACK, Verb.TAG}),
        "proof: closed webhooks",
        "A webhook has no caBundle",
    ),
    Rule("ValidatorNotFailClosed", _W, _NONE, "proof: closed webhooks", "A revision's validator does not fail closed"),
    Rule("RootsDiffer", _E, _REMOVE, "istio#39739", "The revisions have different roots of trust"),
    Rule(
        "InjectionNotProven",
        _E,
        frozenset({Verb.MOVE}),
        "proof: dry-run pod",
        "A dry-run pod was not injected by the revision",
    ),
    Rule("WebhookDangling", _E, _NONE, "istio#36905", "A webhook points at a Service that does not exist"),
    # What holds a revision
    Rule("RevisionInUse", _E, _REMOVE | {Verb.DISABLE}, "words: in use", "Something still depends on the revision"),
    Rule("ProxyLeaving", _W, _NONE, "words: in use", "A pod that is being deleted is still connected"),
    Rule("RemovalBlocked", _W, _NONE, "guards hold for Git", "A removal waits until nothing depends on it"),
    Rule("RemovalSoaking", _I, _NONE, "an edit is not a decision", "A removal that nobody confirmed waits"),
    Rule("RemovalForced", _W, _NONE, "a force is recorded", "A removal was forced past its guard"),
    Rule("ProxiesExist", _E, frozenset({Verb.DISABLE}), "never strand a proxy", "Proxies still run"),
    Rule("HealthUnknown", _W, _NONE, "unknown is not healthy", "An istiod could not be asked"),
    # Gateways
    Rule(
        "GatewayNamespaceLabelled",
        _E,
        _INSTALL | {Verb.GATEWAY},
        "istio#37088",
        "A label of a namespace gives all gateways in it one revision",
    ),
    Rule("ForeignGateway", _E, _START | {Verb.GATEWAY}, "adopting is a decision", "A gateway's name is taken"),
    Rule(
        "GatewayTypeHeld",
        _E,
        frozenset({Verb.GATEWAY}),
        "an address is never lost by the way",
        "A gateway is asked for with another type than it has",
    ),
    Rule("GatewayNotInjected", _E, _NONE, "istio#33237", "A gateway pod has no proxy: its image is still auto"),
    Rule("GatewayLeaving", _W, _NONE, "an edit is not a decision", "A gateway is not asked for any more and waits"),
    Rule(
        "GatewayInUse",
        _E,
        frozenset({Verb.GATEWAY_DISABLE, Verb.DISABLE}),
        "never strand a route",
        "Something selects a gateway that is to be removed",
    ),
    Rule("GatewayNotReady", _E, _REMOVE, "no request is lost", "Gateways that are to take over are not ready"),
    # Autoscaling
    Rule("ProxyRestartsStopped", _W, _NONE, "spec.proxyRestarts", "The operator cannot go on to restart applications"),
    Rule("HPAContested", _W, _NONE, "guide: stable's HPA wins", "Something changes the canary's HPA again and again"),
    Rule("HPALeftAlone", _I, _NONE, "fields have owners", "The HPA rules do not hold for an HPA"),
    Rule("HPAMinReplicas", _I, _NONE, "AKS add-on: two or more", "An HPA may leave one pod"),
    Rule("HPAValuesIgnored", _W, _NONE, "an HPA's spec is yours", "Helm values say otherwise than an HPA does"),
    # Health of the data plane
    Rule("ProxyNotReady", _W, _NONE, "istiod's syncz", "A pod with a proxy is not Ready"),
    Rule("ProxyNotConnected", _W, _NONE, "istiod's syncz", "A proxy is not connected to its istiod"),
    Rule("ProxyNotSynced", _W, _NONE, "istiod's syncz", "A proxy has not acknowledged its configuration"),
    Rule("ConfigRejected", _W, _NONE, "istiod's metrics", "A proxy rejected its configuration"),
    Rule("InjectionFailures", _W, _NONE, "istiod's metrics", "An istiod failed to inject"),
    Rule(
        "ResourceLabelledForTag",
        _W,
        _NONE,
        "istiod: own revision only",
        "An Istio resource is labelled with a tag and used by no istiod",
    ),
    Rule("NotRestartable", _W, _NONE, "Kubernetes controllers", "Pods that a restart of their workload cannot replace"),
    Rule("RestartChangesNothing", _W, _NONE, "injection selectors", "New pods would get the same proxy again"),
    # Patches in place
    Rule("PatchDue", _I, _NONE, "spec.patches", "A patch is due and will be taken"),
    Rule("PatchHeld", _W, _NONE, "spec.patches", "A patch is due and does not start"),
    Rule("PatchFailed", _W, _NONE, "spec.patches", "A patch was taken back"),
    # Tags
    Rule("TagTargetMissing", _E, frozenset({Verb.TAG}), "istioctl tag", "The tag's revision has no control plane"),
    Rule("TagNameTaken", _E, _INSTALL | {Verb.TAG}, "istio#56128", "A tag and a revision would have one name"),
    Rule("FieldOwned", _E, frozenset(Verb) - {Verb.ENABLE}, "fields have owners", "Something else owns the field"),
    Rule(
        "DefaultTagName",
        _W,
        _NONE,
        "istiod: own namespace",
        "The default tag is not seen by istiod outside istio-system",
    ),
)
RULES: dict[str, Rule] = {rule.code: rule for rule in _ROWS}
