"""A web shop whose checkouts survive anything: the code to copy, and a stage to try it on."""
