"""The log tree reader: records of any log tree, merged by time, and what they say about a run."""
