"""What explanations cost and when they will have ended, estimated from what workers measured."""
