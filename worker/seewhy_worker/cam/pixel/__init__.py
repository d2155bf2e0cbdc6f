"""Methods computed from gradients with respect to the pixels of the network's input."""
