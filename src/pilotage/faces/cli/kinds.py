"""Kinds of workloads in kubectl's words. Used by verbs that take KIND/NAME."""

from typing import Final

KINDS: Final = {
    "Deployment": ("deployment", "deployments", "deploy"),
    "StatefulSet": ("statefulset", "statefulsets", "sts"),
    "DaemonSet": ("daemonset", "daemonsets", "ds"),
    "Job": ("job", "jobs"),
    "CronJob": ("cronjob", "cronjobs", "cj"),
    "Pod": ("pod", "pods", "po"),
}


def kind_of(word: str) -> str | None:
    """`deploy`, `Deployments` or `deployment.apps` is a Deployment. None for a word that is not among them."""
    bare = word.lower().split(".")[0]
    return next((kind for kind, words in KINDS.items() if bare in words), None)
