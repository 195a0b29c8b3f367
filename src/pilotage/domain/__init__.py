"""Frozen data of the problem: words, versions, facts, actions, findings, errors. No I/O, imports nothing of ours."""
