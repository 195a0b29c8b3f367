"""The plug-ins of the sandbox, in the order in which they start (see context.py for the contract)."""

from pilotage_sandbox import cloud, clusterips, crowd, dns, pods
from pilotage_sandbox.context import Plugin

PLUGINS: tuple[tuple[str, Plugin], ...] = (
    ("dns", dns.run),
    ("clusterips", clusterips.run),
    ("cloud", cloud.run),
    ("pods", pods.run),
    ("crowd", crowd.run),
)
