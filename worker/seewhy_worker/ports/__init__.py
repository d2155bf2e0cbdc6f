"""What bodies and heads take and return, whichever engine computes them. Imports no engine."""
