"""Who may use the gateway: people's accounts, their sessions, systems' tokens."""
