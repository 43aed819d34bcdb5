"""Reports: read only. What the books say, as frozen results that show themselves."""
