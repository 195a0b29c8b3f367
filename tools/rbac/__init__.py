"""Roles from what Pilotage does: calls in audit logs, and rules that Istio's charts grant, become deploy/chart/rbac.

    python -m tools.rbac collect DIR   add the calls that sandboxes left in DIR to deploy/rbac/seen.yaml
    python -m tools.rbac charts DIR    write deploy/rbac/granted.yaml from the charts in DIR
    python -m tools.rbac check DIR     compare both ways: calls in DIR with the roles, and the roles with calls in DIR

Tests leave their calls in the folder that PILOTAGE_AUDIT_DIR names. `make generate` writes the roles from both files.
"""
