"""How the course looks: feedback, lists, and the screen of `chatlab learn`."""
