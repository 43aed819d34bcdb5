"""The desks of the bank, one for each noun: thin windows onto the services."""
