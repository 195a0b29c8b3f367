"""Quantities as an API server writes them; tests/conformance compares some with a real one."""

import pytest

from pilotage_memory.typed import canonical


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("2048Mi", "2Gi"),
        ("1500Mi", "1500Mi"),
        ("1.5Gi", "1536Mi"),
        ("0.5Ki", "512"),
        ("1000m", "1"),
        ("250m", "250m"),
        ("0.5", "500m"),
        (2, "2"),
        ("9000", "9k"),
        ("1e3", "1k"),
        ("0", "0"),
        ("no quantity", "no quantity"),
    ],
)
def test_a_quantity_is_kept_in_its_shortest_form(sent: str | int, kept: str) -> None:
    assert canonical(sent) == kept
