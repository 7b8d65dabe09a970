"""Models of record: what a model is, how good it is on held-out tasks, which one is in use, and when that one drifts."""
