"""What tests of a host application need: time, drains, assertions, a database."""
