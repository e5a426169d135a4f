"""Harmless experiments with a peer, one question each; `..probe` does them in order."""
