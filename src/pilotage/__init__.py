"""Pilotage upgrades Istio the way a managed service would, on any Kubernetes cluster."""
