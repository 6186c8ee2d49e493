"""Repositories: the operations, written once, and their two shells."""
