"""The live dashboard: snapshots in, a screenful out."""
