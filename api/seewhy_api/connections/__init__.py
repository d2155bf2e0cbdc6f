"""The clients' connections: received on an event loop, served by threads, limited."""
