"""The door of those who look after the service."""
