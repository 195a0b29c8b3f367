"""`pilotage operator`: the standing loop. `command` is the verb, `loop` leads and reconciles, `logs` says so."""
