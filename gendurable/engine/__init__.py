"""Decisions and transactions: claim, execute, commit. Owns no thread; the caller owns the session."""
