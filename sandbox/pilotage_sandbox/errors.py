"""What the user is told instead of a traceback: one line, and the process's exit code."""


class Trouble(Exception):
    """Something failed or did not come in time (exit code 1)."""

    exit_code = 1


class Refused(Trouble):
    """The user must change something first: the message names it and what to do (exit code 3)."""

    exit_code = 3
