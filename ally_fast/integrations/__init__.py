"""Batches for the libraries that people already use, a module each: it imports its library."""
