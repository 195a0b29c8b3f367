"""All rules on what is there now: `check`. A rule is a function that yields findings of codes in `domain.findings`.

Called by the faces (`check`, `status`) and before the decision to complete or roll back.
"""

from collections.abc import Callable, Iterable, Iterator

from pilotage.decide.announcements import catalog_trouble, news, stopped_restarts
from pilotage.decide.badpairs import bad_pairs
from pilotage.decide.freeing import relabel
from pilotage.decide.gateway_rules import asked_for, foreign_gateways, namespace_labelled, not_injected, type_held
from pilotage.decide.labels import injection_label_conflicts, unknown_revision_labels
from pilotage.decide.meshconfig import validate
from pilotage.decide.overlap import overlap_findings, webhook_findings
from pilotage.decide.registries import retired_registries
from pilotage.decide.revision_health import is_ready, proxies_of, proxy_name, seen_by_istiod, stuck, unknown_of
from pilotage.decide.selectors import revisions, tags
from pilotage.decide.support import support_findings
from pilotage.decide.wording import first_of
from pilotage.domain.cluster import Pod
from pilotage.domain.findings import Finding
from pilotage.domain.names import DEFAULT_REVISION, DEFAULT_VALIDATOR, shared_config
from pilotage.domain.state import Snapshot

Findings = Iterator[Finding]
_GATEWAY_API = "gateway.networking.k8s.io"


def check(snapshot: Snapshot) -> tuple[Finding, ...]:
    """Findings of every rule, each said once."""
    return tuple(dict.fromkeys(finding for rule in RULES for finding in rule(snapshot)))


def istiod_not_available(snapshot: Snapshot) -> Findings:
    """Fewer istiods of a revision are available than asked for. The subject is the revision."""
    for plane in snapshot.control_planes:
        if plane.available < max(plane.desired, 1):
            cause = f": {plane.reason}" if plane.reason else ""
            counts = f"{plane.available} of {plane.desired} istiods of {plane.revision} are available"
            fix = f"kubectl describe deployment {plane.name} -n {plane.namespace}"
            yield Finding("IstiodNotAvailable", counts + cause, plane.revision, fix)


def validator_not_fail_closed(snapshot: Snapshot) -> Findings:
    """istiod sets Fail only after it has refused a bad resource in a dry run: a true proof from end to end."""
    for name in revisions(snapshot) if "validators" not in snapshot.unknown else ():
        own = [each for each in snapshot.validators if each.revision == name and each.name != DEFAULT_VALIDATOR]
        open_ = [each.name for each in own if any(hook.failure_policy != "Fail" for hook in each.webhooks)]
        if open_ or not own:
            what = f"{open_[0]} lets everything pass if istiod is away" if open_ else "there is no validator of its own"
            fix = f"kubectl logs -n {snapshot.profile.namespace} -l app=istiod,istio.io/rev={name}"
            yield Finding("ValidatorNotFailClosed", f"{name}: {what}", name, fix)


def roots_differ(snapshot: Snapshot) -> Findings:
    """Proxies of revisions with different roots of trust refuse each other."""
    if len(set(snapshot.roots.values())) > 1:
        served = ", ".join(f"{name} serves {digest[:12]}" for name, digest in sorted(snapshot.roots.items()))
        fix = f"let both use one CA: kubectl get secret istio-ca-secret cacerts -n {snapshot.profile.namespace}"
        yield Finding("RootsDiffer", f"the revisions have different roots of trust: {served}", fix=fix)


def health_unknown(snapshot: Snapshot) -> Findings:
    """What could not be asked. Unknown is not healthy."""
    for name in revisions(snapshot):
        for reason in unknown_of(snapshot, name):
            fix = f"kubectl get pods -n {snapshot.profile.namespace} -l app=istiod"
            yield Finding("HealthUnknown", f"health of {name} is not known: {reason}", name, fix)


def proxy_not_ready(snapshot: Snapshot) -> Findings:
    """Pods with a proxy that are not Ready, with the cause of the first."""
    for name in revisions(snapshot):
        pods = [pod for pod in proxies_of(snapshot, name) if not is_ready(pod)]
        if pods:
            cause = stuck(pods[0])
            fix = f"kubectl describe pod {pods[0].name} -n {pods[0].namespace}"
            yield Finding("ProxyNotReady", f"not Ready with a proxy of {name}: {_names(pods)} ({cause})", name, fix)


def proxy_not_connected(snapshot: Snapshot) -> Findings:
    """Ready pods that no istiod of their revision knows: they keep old endpoints, and certificates for a day."""
    for name in revisions(snapshot):
        if unknown_of(snapshot, name):
            continue
        seen = seen_by_istiod(snapshot, name)
        pods = [pod for pod in proxies_of(snapshot, name) if is_ready(pod) and proxy_name(pod) not in seen]
        if pods:
            fix = f"kubectl logs {pods[0].name} -n {pods[0].namespace} -c istio-proxy"
            yield Finding("ProxyNotConnected", f"not connected to istiod of {name}: {_names(pods)}", name, fix)


def proxy_left_behind(snapshot: Snapshot) -> Findings:
    """Live proxies of a revision that is gone. Where no control plane is here, theirs is in another cluster."""
    there = revisions(snapshot)
    if not there or "control_planes" in snapshot.unknown:
        return
    for name in sorted({pod.revision for pod in snapshot.pods if pod.revision and pod.revision not in there}):
        pods = proxies_of(snapshot, name)
        if pods:
            words = f"{name} has no control plane any more, but proxies: {_names(list(pods))}"
            yield Finding("ProxyNotConnected", words, name, f"pilotage restart --not-on {there[-1]}")


def proxy_not_synced(snapshot: Snapshot) -> Findings:
    """Connected proxies that have not acknowledged what istiod sent."""
    for name in revisions(snapshot):
        late = [each for each in seen_by_istiod(snapshot, name).values() if each.pending]
        if late:
            names = first_of([f"{each.name} ({', '.join(each.pending)})" for each in late])
            yield Finding("ProxyNotSynced", f"not in sync with {name}: {names}", name, "istioctl proxy-status")


def config_rejected(snapshot: Snapshot) -> Findings:
    """Proxies that refuse the configuration they were last sent."""
    for name in revisions(snapshot):
        bad = [each for each in seen_by_istiod(snapshot, name).values() if each.rejected]
        if bad:
            names = first_of([each.name for each in bad])
            message = f"{names} rejected configuration of {name}: {bad[0].rejected[0]}"
            yield Finding("ConfigRejected", message, name, "istioctl analyze --all-namespaces")


def injection_failures(snapshot: Snapshot) -> Findings:
    """Pods that an istiod failed to inject since it started."""
    for name in revisions(snapshot):
        failed = sum(report.injection_failures for report in snapshot.istiods if report.revision == name)
        if failed:
            fix = f"kubectl logs -n {snapshot.profile.namespace} -l app=istiod,istio.io/rev={name}"
            yield Finding("InjectionFailures", f"istiod of {name} failed to inject {failed} times", name, fix)


def resource_labelled_for_tag(snapshot: Snapshot) -> Findings:
    """Istio reads a resource's label as a revision's name; only Gateway API resources may name a tag."""
    pointed = tags(snapshot)
    for each in snapshot.resources:
        gateway_api = each.api_version.startswith(_GATEWAY_API)
        if each.revision in pointed and each.revision not in revisions(snapshot) and not gateway_api:
            place = f"{each.kind} {each.namespace}/{each.name}"
            message = f"{place} is labelled for tag {each.revision}: no istiod uses it"
            yield Finding("ResourceLabelledForTag", message, place, relabel(each, pointed[each.revision]))


def default_tag_name(snapshot: Snapshot) -> Findings:
    """istiod's leader election looks for tag `default` by a name it has only in istio-system."""
    if snapshot.profile.namespace != "istio-system" and DEFAULT_REVISION in tags(snapshot):
        message = f"istiod does not see tag default in {snapshot.profile.namespace}: which revision leads is arbitrary"
        yield Finding("DefaultTagName", message, DEFAULT_REVISION, "pilotage tag remove default, and use another tag")


def mesh_config_invalid(snapshot: Snapshot) -> Findings:
    """What istiod skips, or does not read as meant, in the shared mesh configuration of a revision that is there."""
    for config in map(shared_config, revisions(snapshot)):
        if config in snapshot.configs:
            yield from validate(config, snapshot.configs[config], snapshot.profile.namespace)


def gateways_in_the_way(snapshot: Snapshot) -> Findings:
    """What keeps gateways that are asked for from being what they should be."""
    names = [entry.name for entry in snapshot.mesh.spec.revisions] if snapshot.mesh else []
    yield from foreign_gateways(snapshot, asked_for(snapshot), names)
    yield from type_held(snapshot, asked_for(snapshot))
    yield from namespace_labelled(snapshot, asked_for(snapshot))


RULES: tuple[Callable[[Snapshot], Iterable[Finding]], ...] = (
    istiod_not_available,
    webhook_findings,
    overlap_findings,
    unknown_revision_labels,
    injection_label_conflicts,
    validator_not_fail_closed,
    roots_differ,
    health_unknown,
    proxy_not_ready,
    proxy_not_connected,
    proxy_left_behind,
    not_injected,
    gateways_in_the_way,
    proxy_not_synced,
    config_rejected,
    injection_failures,
    resource_labelled_for_tag,
    default_tag_name,
    support_findings,
    news,
    catalog_trouble,
    stopped_restarts,
    bad_pairs,
    retired_registries,
    mesh_config_invalid,
)


def _names(pods: list[Pod]) -> str:
    return first_of([f"{pod.namespace}/{pod.name}" for pod in pods])
