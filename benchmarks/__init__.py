"""How fast it is, beside what bare statements on the same server can do, in one run."""
