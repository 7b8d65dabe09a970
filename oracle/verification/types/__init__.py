"""Types of answers: how each is read, made one, measured, and reduced to candidates; `catalogue` finds one by its words."""
