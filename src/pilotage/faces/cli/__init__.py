"""The command line: parse, ask `decide` or `reconcile`, render. A file per verb group, registered in `main`."""
