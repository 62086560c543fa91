"""Thin wrappers over the native core, one file for each op, without any policy."""
