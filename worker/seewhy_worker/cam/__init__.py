"""Class activation maps: the papers' maths, as pure functions of arrays."""
