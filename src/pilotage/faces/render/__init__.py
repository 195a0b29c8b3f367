"""Answers as text for people (tables, progress, findings) and as documents for machines (JSON, YAML)."""
