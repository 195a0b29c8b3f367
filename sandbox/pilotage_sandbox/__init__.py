"""A real Kubernetes control plane with real istiod on one machine, without containers."""
