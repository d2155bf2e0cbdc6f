"""HTTP concerns that every route shares: parsing, serializing, errors, request context, lookup."""
