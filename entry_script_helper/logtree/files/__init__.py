"""The files of a log tree: where their bytes come from, and what each is."""
