"""What `hilum echo`, `find`, `get`, `move` and `store` are made of: a user's own test tools."""
