"""The protocol in plain Python: values in, values out. docs/protocol.md fixes every byte of it."""
