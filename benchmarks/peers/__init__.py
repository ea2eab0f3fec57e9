"""The same work done by other engines, each at its best, on the same server in the same run."""
