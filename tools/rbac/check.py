"""Roles and calls, compared both ways. Called by `__main__`; pure."""

from collections.abc import Iterator

from tools.rbac.files import load_granted, rules_for
from tools.rbac.rules import WITHHELD, Seen, used
from tools.rbac.verbs import ROLE_OF, Role


def faults(seen: Seen) -> Iterator[str]:
    """One line for each call that its verb's role does not allow, and each rule that nothing uses or grants."""
    for verb, calls in seen.items():
        role = ROLE_OF[verb]
        rules = [rule for rule, _ in rules_for(role)]
        for call in sorted(set(calls) - WITHHELD.get(role, {}).keys()):
            if call.resource == "secrets" or not any(rule.allows(call) for rule in rules):
                yield f"{verb} asks for `{call}`, and role {role} does not allow it"
    granted = load_granted()
    for role in Role:
        calls = tuple(used(seen, role))
        for rule, _ in rules_for(role):
            idle = [verb for verb in rule.verbs if not any(rule._replace(verbs=(verb,)).allows(call) for call in calls)]
            if idle and rule not in granted:
                yield f"role {role} may {', '.join(idle)} {'/'.join(rule.resources)}, and no verb was seen to"
