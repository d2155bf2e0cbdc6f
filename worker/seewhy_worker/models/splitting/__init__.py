"""Split a network at its target layer into a body and a head."""
