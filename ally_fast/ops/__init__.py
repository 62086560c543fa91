"""Thin wrappers over the native core, one file per op; they know no policy."""
