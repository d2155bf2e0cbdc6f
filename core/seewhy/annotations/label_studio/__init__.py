"""Label Studio: the results of annotations and predictions."""
