"""ParallelRunStep on this machine: an entry script over real files, in several processes, logs where they belong."""
