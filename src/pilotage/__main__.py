"""`python -m pilotage`."""

from pilotage.faces.cli.main import main

main()
