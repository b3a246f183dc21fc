"""The instruments: scenario, load generator, audit, statistics, compare."""
