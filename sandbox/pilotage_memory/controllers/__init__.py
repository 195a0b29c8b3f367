"""What lives in a cluster and acts by itself: controllers, kubelets, istiods, each a small deterministic simulation."""
