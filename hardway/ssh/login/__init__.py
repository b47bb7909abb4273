"""Logging in with keys: from files and from an agent, with certificates, as ssh does it."""
