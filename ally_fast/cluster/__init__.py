"""k-means engines behind one call."""
