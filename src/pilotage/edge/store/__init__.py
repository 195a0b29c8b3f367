"""The operator's look at the cluster: lists that watches keep up to date. `Store` is a `Source` for `observe`.

`shapes` says what is kept of each kind, `informer` keeps one collection, `store` answers from all of them and wakes the
loop, `asked` remembers for a while what cannot be watched.
"""

from pilotage.edge.store.store import Store

__all__ = ["Store"]
