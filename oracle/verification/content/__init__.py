"""Checks of content: texts and images in, findings with evidence out. Pure: the same input, the same findings."""
