"""The in-memory cluster: a Kubernetes API server in this process, for tests that want thousands of worlds.

Its scope is tests/conformance, which runs on it and on a real API server. Anything else it answers with 501.
"""

from pilotage_memory.cluster import MemoryCluster, memory_cluster

__all__ = ["MemoryCluster", "memory_cluster"]
