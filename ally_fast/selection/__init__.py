"""The rule: who is eligible, who is best in its cluster, who is in the batch."""
