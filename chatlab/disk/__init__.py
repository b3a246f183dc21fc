"""Every disk there is: the real one, which counts; slow, failing, in memory, losing power."""
