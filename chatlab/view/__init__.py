"""What people look at: pure renderings of snapshots and results, and the loop that shows them."""
