"""`make demo`: the guide's upgrade on a real control plane on this machine, by the commands that a user would type."""
