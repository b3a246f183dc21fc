"""What the labs found, as people read it: for each lab one pure function from report to text."""
