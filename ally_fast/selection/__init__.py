"""The rule: which rows are eligible, which are best in their cluster, which are in the batch."""
