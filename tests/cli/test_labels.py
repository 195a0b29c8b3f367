"""Label selectors: what an API server takes passes, what it would not is said before one is asked."""

import click
import pytest

from pilotage.faces.cli.labels import selector_option


def taken(text: str) -> bool:
    @click.command()
    @selector_option("Only these.")
    def verb(selector: str) -> None:
        assert selector == text

    try:
        verb.main(["-l", text], standalone_mode=False)
    except click.BadParameter:
        return False
    return True


# Both tables were tried on an API server of Kubernetes 1.36.
@pytest.mark.parametrize(
    "text",
    [
        *("a", "!a", "! a", "a=b", "a==b", "a!=b", " a = b ", "a=", "a!=", "a>1", "a < 2", "a,b", "in in (in)"),
        *("a in (b)", "a in(b,c)", "a notin ( b , c )", "a in ()", "a in (,b)", "a=b,c in (d,e),!f,g>3,h!=i"),
        *("x.y/z=w", "a=b_c.d-e", "kubernetes.io/metadata.name in (default,kube-system),!x", "a" * 63, "1=2"),
    ],
)
def test_a_selector_as_kubernetes_reads_it_passes(text: str) -> None:
    assert taken(text)


@pytest.mark.parametrize(
    "text",
    [
        *(",", "a,", ",a", "a,,b", "a=b,,", "a b", "a=b c", "=b", "!a=b", "!!a", "a in (b", "a in b", "a notin", "("),
        *("a=(b)", "a>b", "a>1.5", "a > -1", "a gt 1", "a=-b", "a-=b", "_a=b", "a..b/c=d", "x/y/z=1", "/z=1", "x/=1"),
        *("a=b;c", "a=é", "a" * 64, "a=" + "b" * 64),
    ],
)
def test_a_selector_that_kubernetes_would_not_read_is_a_wrong_line(text: str) -> None:
    assert not taken(text)
