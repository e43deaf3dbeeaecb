"""HTTP/1.1 and HTTP/2 over net, the pool of connections, and httpx beside them. Imports net and model."""
