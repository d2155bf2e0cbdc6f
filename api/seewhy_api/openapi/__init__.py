"""The OpenAPI document: how routes describe themselves, and the document built from that."""
