"""The documentation is executed: every block, every shown output, every name and link."""
