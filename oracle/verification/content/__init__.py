"""Checks of content: texts and images in, findings with evidence out. Nothing outside is called; the same input, the same findings."""
