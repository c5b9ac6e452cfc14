"""The demo: a whole district on loopback, real processes, real mutual TLS, a real transfer."""
