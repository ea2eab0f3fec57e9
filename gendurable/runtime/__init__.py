"""Threads, timers and sockets: everything that turns by itself, and no SQL."""
