"""crowdproof's oracle: a pure core (protocol, matching, verification), thin services that order effects, adapters to the world."""

__version__ = "0.1.0"
