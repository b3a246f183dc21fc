"""The labs: one folder each: what it measures, how that is shown, and a README with its screen."""
