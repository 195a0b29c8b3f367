"""`make bench`: measures the project against its aims. Each figure names its reference, measured in the same run."""
