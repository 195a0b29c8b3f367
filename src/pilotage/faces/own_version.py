"""Which Pilotage this is. Called by `--version`, `version` and the operator."""


def own_version() -> str:
    """As the installed package says; the import that finds it takes too long for verbs that do not ask."""
    from importlib import metadata

    return metadata.version("pilotage")
