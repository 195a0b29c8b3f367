"""`make bench`: what the aims of the project are measured by. Each figure names its reference, measured in the same run."""
