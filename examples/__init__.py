"""Small real applications that use gendurable as a stranger would."""
