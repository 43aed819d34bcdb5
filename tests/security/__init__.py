"""The security checklist, a file for each of its lines."""
