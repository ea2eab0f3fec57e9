"""What ties gendurable to frameworks and tools; each module needs the extra of its name."""
