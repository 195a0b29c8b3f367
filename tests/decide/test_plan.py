"""The plan: install and mend first, remove only behind the guard, in the order that strands nothing."""

from typing import Any

import pytest

from installed import (
    MESH,
    MESH_WIDE,
    NEW,
    OLD,
    PROFILE,
    base,
    changed,
    chart,
    cluster,
    deletes,
    live,
    manifest,
    mesh,
    steps,
    wanted,
)
from pilotage.decide.force import Mark, force_annotation
from pilotage.decide.inventory import held, stamped
from pilotage.decide.plan import plan
from pilotage.domain.actions import Apply, Delete, Patch, Plan
from pilotage.domain.cluster import Pod
from pilotage.domain.istio import ControlPlane, Webhook, WebhookConfig
from pilotage.domain.objects import ObjectRef, ref_of
from pilotage.domain.state import Desired, Revision
from worlds import deployment, namespace, revision, tag, world


def test_an_empty_cluster_gets_namespace_base_and_control_plane() -> None:
    made = plan(wanted(OLD), world())
    assert made.phase == "Installing"
    assert steps(made)[0] == f"apply Namespace {MESH}"
    assert all(isinstance(action, Apply) for action in made.now)
    assert "apply Deployment istiod-asm-1-30" in steps(made)


def test_a_settled_mesh_is_left_in_peace() -> None:
    made = plan(wanted(OLD), cluster(revision("asm-1-30"), live=live(OLD)))
    assert (made.phase, made.settled) == ("Settled", True)


def test_a_deleted_object_is_all_that_is_written() -> None:
    there = live(OLD)
    del there[ObjectRef("v1", "Service", MESH, "istiod-asm-1-30")]
    assert steps(plan(wanted(OLD), cluster(revision("asm-1-30"), live=there))) == ["apply Service istiod-asm-1-30"]


def test_a_second_entry_starts_a_canary_and_leaves_the_validator_at_stable() -> None:
    made = plan(wanted(OLD, NEW), cluster(revision("asm-1-30"), live=live(OLD)))
    assert made.phase == "CanaryStarting"
    assert {action.ref.name for action in made.now} == {"istiod-asm-1-31", "injector-asm-1-31"}


def test_a_canary_that_is_not_ready_is_waited_for_by_name() -> None:
    made = plan(
        wanted(OLD, NEW),
        cluster(revision("asm-1-30"), revision("asm-1-31", available=0), live=live(OLD, NEW)),
    )
    assert made.phase == "CanaryStarting"
    assert "istiod-asm-1-31" in made.waits[0].subject


def test_an_object_that_the_chart_dropped_is_deleted() -> None:
    extra = stamped(manifest("v1", "ConfigMap", "values-asm-1-30"), "asm-1-30", OLD.version)
    made = plan(wanted(OLD), cluster(revision("asm-1-30"), live=live(OLD) | {ref_of(extra): extra}))
    assert steps(made) == ["delete ConfigMap values-asm-1-30"]


def test_a_control_plane_of_somebody_else_blocks_and_is_not_touched() -> None:
    theirs = {ref_of(obj): obj for obj in chart("asm-1-31")}
    made = plan(wanted(OLD, NEW), cluster(revision("asm-1-30"), live=live(OLD) | theirs))
    assert (made.phase, made.now) == ("Blocked", ())
    assert {finding.code for finding in made.findings} == {"ForeignControlPlane"}


def test_the_base_of_somebody_else_is_used_and_not_touched() -> None:
    there = live(OLD) | {ref_of(obj): obj for obj in base("asm-1-30")}
    made = plan(wanted(OLD), cluster(revision("asm-1-30"), live=there))
    assert made.now == ()
    assert {finding.code for finding in made.findings} == {"ForeignBase"}


def removal(*things: Any, **facts: Any) -> Plan:
    """asm-1-30 was completed away; both still stand."""
    both = (revision("asm-1-30"), revision("asm-1-31"))
    facts = {"live": live(OLD, NEW, stable=NEW)} | facts
    return plan(wanted(NEW), cluster(*both, *things, **facts))


def test_a_revision_in_use_stays_and_says_why() -> None:
    made = removal(namespace("shop", rev="asm-1-30"), deployment("shop", "web", on="asm-1-30"))
    assert (made.phase, made.now) == ("RemovalBlocked", ())
    assert {"RemovalBlocked", "RevisionInUse"} <= {finding.code for finding in made.findings}


def test_a_force_that_names_the_revision_removes_it_all_the_same() -> None:
    pods = deployment("shop", "web", on="asm-1-30")
    snapshot = cluster(revision("asm-1-30"), revision("asm-1-31"), pods, live=live(OLD, NEW, stable=NEW))
    phases = []
    for named in ("asm-1-30", "asm-1-29"):
        mark = force_annotation(Mark("ann", snapshot.now, named))
        phases.append(plan(wanted(NEW), changed(snapshot, mesh=mesh("asm-1-31", annotations=mark))).phase)
    assert phases == ["Removing", "RemovalBlocked"]


def test_the_default_validator_and_idle_tags_move_before_anything_goes() -> None:
    both = (revision("asm-1-30"), revision("asm-1-31"), tag("old-tag", "asm-1-30"))
    made = plan(wanted(NEW), cluster(*both, live=live(OLD, NEW, stable=OLD)))
    assert made.phase == "Removing"
    names = {action.ref.name for action in made.now}
    assert "istiod-default-validator" in names
    assert "istio-revision-tag-old-tag" in names
    assert not any(isinstance(action, Delete) for action in made.now)


def test_webhooks_go_before_the_deployment_and_the_service_last() -> None:
    there = live(OLD, NEW, stable=NEW)
    order = []
    while (made := removal(live=there)).now:
        order.append(steps(made))
        there = {ref: obj for ref, obj in there.items() if Delete(ref, "") not in deletes(made)}
    assert order == [
        ["delete MutatingWebhookConfiguration injector-asm-1-30"],
        ["delete Deployment istiod-asm-1-30"],
        ["delete ServiceAccount istiod-asm-1-30", "delete Service istiod-asm-1-30"],
    ]


def test_leases_wait_for_the_pods_that_hold_them() -> None:
    there = {ref: obj for ref, obj in live(OLD, NEW, stable=NEW).items() if "injector-asm-1-30" not in ref.name}
    there.pop(ObjectRef("apps/v1", "Deployment", MESH, "istiod-asm-1-30"))
    lease = "istio-gateway-deployment-asm-1-30"
    stopping = Pod(MESH, "istiod-asm-1-30-x", deleting=True, labels={"app": "istiod", "istio.io/rev": "asm-1-30"})
    waiting = plan(wanted(NEW), cluster(revision("asm-1-31"), stopping, live=there, leases=(lease,)))
    assert (waiting.now, [wait.cause for wait in waiting.waits]) == ((), ["is still stopping"])
    gone = plan(wanted(NEW), cluster(revision("asm-1-31"), live=there, leases=(lease,)))
    assert steps(gone) == [f"delete Lease {lease}"]


def test_leases_that_may_not_be_read_are_not_taken_for_gone() -> None:
    there = {ref: obj for ref, obj in live(OLD, NEW, stable=NEW).items() if "injector-asm-1-30" not in ref.name}
    there.pop(ObjectRef("apps/v1", "Deployment", MESH, "istiod-asm-1-30"))
    blind = plan(wanted(NEW), cluster(revision("asm-1-31"), live=there, unknown={"leases": "may not be watched"}))
    assert (blind.now, [wait.cause for wait in blind.waits]) == ((), ["may not be watched"])


def test_a_survivor_that_cannot_take_over_holds_the_removal_up() -> None:
    snapshot = cluster(revision("asm-1-30"), revision("asm-1-31", available=0), live=live(OLD, NEW, stable=NEW))
    made = plan(wanted(NEW), snapshot)
    assert made.phase == "RemovalBlocked"
    assert "IstiodNotAvailable" in {finding.code for finding in made.findings}


def test_disabling_waits_for_the_last_proxy_and_keeps_crds() -> None:
    crd = stamped(
        manifest("apiextensions.k8s.io/v1", "CustomResourceDefinition", "gateways.networking.istio.io", MESH_WIDE),
        "base",
        OLD.version,
    )
    there = live(OLD) | {ref_of(crd): crd}
    off = wanted(OLD, disabled=True)
    held_up = plan(off, cluster(revision("asm-1-30"), deployment("shop", "web", on="asm-1-30"), live=there))
    assert held_up.phase == "RemovalBlocked"
    while (made := plan(off, cluster(revision("asm-1-30"), live=there))).now:
        there = {ref: obj for ref, obj in there.items() if Delete(ref, "") not in deletes(made)}
    assert (made.phase, set(there)) == ("Disabled", {ref_of(crd)})


def test_disabling_waits_for_proxies_of_a_revision_whose_removal_is_held_up_and_takes_its_tags_along() -> None:
    both = (revision("asm-1-30"), revision("asm-1-31"), tag("prod", "asm-1-30"))
    there, off = live(OLD, NEW, stable=NEW), wanted(NEW, disabled=True)
    shop = (namespace("shop", rev="prod"), deployment("shop", "web", on="asm-1-30"))
    held_up = plan(off, cluster(*both, *shop, live=there))
    assert (held_up.phase, held_up.now) == ("RemovalBlocked", ())
    freed = plan(off, cluster(*both, live=there))
    assert steps(freed)[0] == "delete MutatingWebhookConfiguration istio-revision-tag-prod"


def test_a_revision_handed_over_to_another_owner_is_left_alone() -> None:
    theirs = Desired(PROFILE, (Revision("asm-1-30", OLD.version, managed=False),))
    assert plan(theirs, cluster(revision("asm-1-30"), live=live(OLD))).now == ()


@pytest.mark.parametrize(
    ("oldest", "restarts"),
    [
        pytest.param("2026-11-22T10:00:00Z", True, id="pods older than the account hold dead tokens"),
        pytest.param("2026-11-22T12:00:00Z", False, id="pods of the same second are its own"),
    ],
)
def test_an_istiod_older_than_its_account_is_restarted(oldest: str, restarts: bool) -> None:
    there = live(OLD)
    account = there[ObjectRef("v1", "ServiceAccount", MESH, "istiod-asm-1-30")]
    account["metadata"] |= {"creationTimestamp": "2026-11-22T12:00:00Z", "uid": "u2"}
    plane = ControlPlane("asm-1-30", MESH, "istiod-asm-1-30", OLD.version, oldest=oldest)
    things = [thing for thing in revision("asm-1-30") if not isinstance(thing, ControlPlane)]
    made = plan(wanted(OLD), cluster(plane, *things, live=there))
    assert bool(made.now) is restarts
    assert all(isinstance(action, Patch) and action.ref.kind == "Deployment" for action in made.now)


def test_a_canary_with_another_root_of_trust_is_not_done_and_nothing_is_removed() -> None:
    both = (revision("asm-1-30"), revision("asm-1-31"))
    roots = {"asm-1-30": "a" * 12, "asm-1-31": "b" * 12}
    started = plan(wanted(OLD, NEW), cluster(*both, live=live(OLD, NEW), roots=roots))
    assert "different roots" in started.waits[0].cause
    completed = plan(wanted(NEW), cluster(*both, live=live(OLD, NEW, stable=NEW), roots=roots))
    assert completed.phase == "RemovalBlocked"


def test_a_webhook_of_somebody_else_that_calls_the_revision_holds_it() -> None:
    hook = Webhook("x.example", (MESH, "istiod-asm-1-30"), "/inject", ca_bundle="Y2E=")
    theirs = WebhookConfig("MutatingWebhookConfiguration", "custom", {}, {}, (hook,))
    snapshot = cluster(revision("asm-1-30"), revision("asm-1-31"), live=live(OLD, NEW, stable=NEW))
    made = plan(wanted(NEW), changed(snapshot, injectors=(*snapshot.injectors, theirs)))
    assert made.phase == "RemovalBlocked"
    assert any("custom" in finding.message for finding in made.findings)


def test_control_planes_of_ours_in_another_namespace_are_never_pruned() -> None:
    elsewhere = stamped(manifest("apps/v1", "Deployment", "istiod-asm-1-30", "old-home"), "asm-1-30", OLD.version)
    made = plan(wanted(OLD), cluster(revision("asm-1-30"), live=live(OLD) | {ref_of(elsewhere): elsewhere}))
    assert (made.phase, made.now) == ("Blocked", ())
    assert {finding.code for finding in made.findings} == {"MeshElsewhere"}


def test_disabling_deletes_every_webhook_before_the_first_istiod_stops() -> None:
    made = plan(wanted(OLD, disabled=True), cluster(revision("asm-1-30"), live=live(OLD)))
    there = live(OLD)
    order = []
    while (made := plan(wanted(OLD, disabled=True), cluster(revision("asm-1-30"), live=there))).now:
        order += steps(made)
        there = {ref: obj for ref, obj in there.items() if Delete(ref, "") not in deletes(made)}
    webhooks = [at for at, step in enumerate(order) if "WebhookConfiguration" in step]
    assert len(webhooks) == 2
    assert max(webhooks) < order.index("delete Deployment istiod-asm-1-30")


def test_disabling_leaves_a_control_plane_of_somebody_else_and_its_tags() -> None:
    theirs = Revision("asm-1-31", NEW.version, managed=False)
    both = (revision("asm-1-30"), revision("asm-1-31"), tag("their-tag", "asm-1-31"))
    made = plan(wanted(OLD, disabled=True), cluster(*both, live=live(OLD)))
    assert made.phase == "Disabling"
    there = Desired(PROFILE, (OLD, theirs), {}, disabled=True)
    assert not any("their-tag" in step for step in steps(plan(there, cluster(*both, live=live(OLD)))))


def test_a_validator_of_a_revision_that_is_gone_moves_at_once() -> None:
    made = plan(wanted(NEW), cluster(revision("asm-1-31"), live=live(NEW, stable=OLD)))
    assert steps(made) == ["apply ValidatingWebhookConfiguration istiod-default-validator"]


def test_a_lease_of_a_revision_whose_name_ends_alike_stays() -> None:
    there = live(OLD, NEW, stable=NEW)
    there = {ref: obj for ref, obj in there.items() if not ref.name.endswith("asm-1-30") or ref.kind == "Service"}
    made = plan(wanted(NEW), cluster(revision("asm-1-31"), live=there, leases=("istio-gateway-deployment-x-asm-1-30",)))
    assert steps(made) == ["delete Service istiod-asm-1-30"]


def test_a_survivor_that_its_hpa_is_scaling_up_does_not_hold_the_removal() -> None:
    snapshot = cluster(revision("asm-1-30"), revision("asm-1-31"), live=live(OLD, NEW, stable=NEW))
    planes = tuple(
        changed(plane, desired=2, updated=2) if plane.revision == "asm-1-31" else plane
        for plane in snapshot.control_planes
    )
    made = plan(wanted(NEW), changed(snapshot, control_planes=planes))
    assert (made.phase, planes[-1].available) == ("Removing", 1)


def test_a_part_label_that_was_edited_makes_no_revision_to_be_removed() -> None:
    there = live(OLD)
    service = there[ObjectRef("v1", "Service", MESH, "istiod-asm-1-30")]
    there[ref_of(service)] = service | {"metadata": held(service)["metadata"]}
    there[ref_of(service)]["metadata"]["labels"]["pilotage.dev/part"] = "adversary"
    made = plan(wanted(OLD), cluster(revision("asm-1-30"), live=there, mesh=mesh("asm-1-30", soak="1h")))
    assert (made.phase, steps(made), made.removal) == ("Installing", ["apply Service istiod-asm-1-30"], None)
