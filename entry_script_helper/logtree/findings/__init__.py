"""What became of a run: how far it is, errors gathered, the first cause, the summary."""
