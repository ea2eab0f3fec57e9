"""One module per edge of the state diagram: statements as values, each beside what runs it."""
