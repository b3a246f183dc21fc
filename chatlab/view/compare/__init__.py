"""A comparison as people look at it: live, as a table, as a page with charts, as CSV, Markdown."""
