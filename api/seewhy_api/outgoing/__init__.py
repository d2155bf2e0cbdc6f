"""HTTP requests to URLs that clients choose: to checked addresses only, within limits."""
