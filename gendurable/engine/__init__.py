"""Decisions and transactions: claim, execute, commit; it owns no thread."""
