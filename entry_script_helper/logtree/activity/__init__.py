"""What processes did, and what they used: tries at mini-batches, curves of resources."""
