"""What stands behind the commands: one module each, from arguments to one JSON document, and a text of it for people."""
