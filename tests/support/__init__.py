"""What several tests share: a clock that costs no time, and small stand-ins for the parts."""
