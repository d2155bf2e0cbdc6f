"""Methods computed from the activation at the target layer and its gradient."""
