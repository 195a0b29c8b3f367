"""The table of verbs and the entry point of `pilotage` and `kubectl pilotage`."""

import gc
import os
import sys
from contextlib import suppress
from io import TextIOWrapper
from typing import Final, NoReturn

from pilotage.faces.cli import options
from pilotage.faces.cli.lazy import LazyGroup, Section, Verb
from pilotage.faces.cli.run import run

_CLI = "pilotage.faces.cli"
_STDERR: Final = 2
_GARBAGE: Final = 50_000  # objects until cycles among them are looked for: a verb is over before there are many

SECTIONS = (
    Section(
        "Look (nothing is written; works on every Istio)",
        (
            Verb("status", f"{_CLI}.status:status", "Show revisions, proxies, tags and the next step."),
            Verb("check", f"{_CLI}.check:check", "Run all rules and print their findings."),
            Verb("drift", f"{_CLI}.drift:drift", "Show which proxies are behind what injection gives now."),
            Verb("explain", f"{_CLI}.explain:explain", "Explain a finding, or list them all."),
            Verb("get-revisions", f"{_CLI}.upgrades:get_revisions", "List the revisions of the catalog."),
            Verb("get-upgrades", f"{_CLI}.upgrades:get_upgrades", "List the revisions this cluster may move to."),
            Verb("version", f"{_CLI}.version:version", "Show the versions of Pilotage, Kubernetes and Istio."),
            Verb("releases", f"{_CLI}.releases:show", "Show newer patches and minors, and why they matter."),
            Verb("catalog verify", f"{_CLI}.catalog:verify", "Check a catalog of your own before it is used."),
        ),
    ),
    Section(
        "Install",
        (
            Verb("enable", f"{_CLI}.enable:enable", "Install the first revision."),
            Verb("disable", f"{_CLI}.enable:disable", "Remove the mesh once no proxy is left."),
            Verb(
                "operator",
                "pilotage.faces.operator.command:operator",
                "Run the loop for ever, in a cluster or beside it.",
            ),
        ),
    ),
    Section(
        "Upgrade",
        (
            Verb("upgrade start", f"{_CLI}.upgrade:start", "Install a canary revision beside the stable one."),
            Verb("upgrade complete", f"{_CLI}.upgrade:complete", "Keep the canary, remove the old revision."),
            Verb("upgrade rollback", f"{_CLI}.upgrade:rollback", "Keep the old revision, remove the canary."),
            Verb("patch start", f"{_CLI}.patch:start", "Take the newest patch of a revision now."),
            Verb("patch hold", f"{_CLI}.patch:hold", "Start no patch until it is released."),
            Verb("maintenance show", f"{_CLI}.maintenance:show", "List maintenance windows.", ("list",)),
            Verb("maintenance next", f"{_CLI}.maintenance:next_", "Show the next three starts and what they do."),
            Verb("maintenance set", f"{_CLI}.maintenance:set_", "Create or replace a maintenance window."),
            Verb("maintenance delete", f"{_CLI}.maintenance:delete", "Delete a maintenance window."),
            Verb("mesh-config copy", f"{_CLI}.meshconfig:copy", "Copy a revision's mesh configuration to another."),
            Verb("mesh-config diff", f"{_CLI}.meshconfig:diff", "Compare two revisions' mesh configuration."),
            Verb("mesh-config validate", f"{_CLI}.meshconfig:validate", "Check a revision's mesh configuration."),
            Verb("mesh-config delete", f"{_CLI}.meshconfig:delete", "Delete that of a removed revision."),
        ),
    ),
    Section(
        "Gateways",
        (
            Verb("gateway enable", f"{_CLI}.gateway:enable", "Install a gateway with pods of every revision."),
            Verb("gateway disable", f"{_CLI}.gateway:disable", "Drain a gateway and remove it with its address."),
            Verb("gateway list", f"{_CLI}.gatewaylist:list_", "List gateways, addresses and ready pods."),
        ),
    ),
    Section(
        "Move the applications",
        (
            Verb("tag set", f"{_CLI}.tag:set_", "Create a revision tag or point it elsewhere."),
            Verb("tag list", f"{_CLI}.taglist:list_", "List revision tags.", ("show",)),
            Verb("tag remove", f"{_CLI}.tag:remove", "Remove a revision tag.", ("delete",)),
            Verb("tag generate", f"{_CLI}.tag:generate", "Print a revision tag's objects as YAML."),
            Verb("namespace move", f"{_CLI}.namespace:move", "Label namespaces for a tag or a revision."),
            Verb("restart", f"{_CLI}.restart:restart", "Restart workloads one by one onto their new proxy."),
        ),
    ),
    Section(
        "Shell",
        (
            Verb("completion", f"{_CLI}.completion:completion", "Print the completion script of a shell."),
            Verb("help", f"{_CLI}.help:help_", "Show the help of a verb."),
        ),
    ),
)

GROUPS = {
    "": "Upgrades Istio: a canary control plane, tags, measured restarts, then complete or roll back.",
    "catalog": "Catalogs of releases of your own.",
    "upgrade": "A new control plane beside the old one; then one decision, complete or roll back.",
    "patch": "Patches in place: istiod first, then its gateways.",
    "maintenance": "Windows in which work may start; the one named default gates patches.",
    "mesh-config": "The user's mesh configuration, one ConfigMap istio-shared-configmap-REVISION per revision.",
    "gateway": "Gateways: one Service that stays, and pods of every revision behind it.",
    "tag": "Revision tags, interchangeable with those of istioctl, flag for flag.",
    "namespace": "Which revision injects a namespace's new pods.",
}


cli = LazyGroup(SECTIONS, GROUPS, name="pilotage", params=[*options.everywhere(), options.version()])


def _open_streams() -> None:
    """Every word can be written: where the caller closed a stream, as `>&-` does, to nowhere.

    No socket may get the place of one that is closed.
    """
    while (place := os.open(os.devnull, os.O_RDWR)) <= _STDERR:
        os.set_inheritable(place, True)
    os.close(place)
    sys.stdin = sys.stdin or open(0, closefd=False)  # noqa: PTH123, SIM115, it lives as long as the process
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: PTH123, SIM115
    sys.stderr = sys.stderr or open(_STDERR, "w", closefd=False)  # noqa: PTH123, SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # what a Latin-1 terminal has no letter for is a question mark


def main() -> NoReturn:
    """Ends the process itself: to take an interpreter with all these modules down lasts a quarter of loading them."""
    gc.set_threshold(_GARBAGE)
    _open_streams()
    code = run(cli, sys.argv)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):  # nobody reads what was said any more
            stream.flush()
    os._exit(code)
