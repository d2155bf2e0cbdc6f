"""The ML backend of Label Studio: its label configs, its tasks, and predictions for them."""
