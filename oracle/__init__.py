"""crowdproof's oracle: a pure core (protocol, matching, verification), thin services that order effects, adapters to the world."""

import csv

__version__ = "0.1.0"

# The limit is the process's own: one for every reader, so that no file is read otherwise because another was read before.
csv.field_size_limit(1 << 20)
