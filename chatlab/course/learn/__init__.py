"""`chatlab learn`, without a terminal: a state, events, and what each event makes of the state."""
