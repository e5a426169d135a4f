"""What `hilum selftest` tries, and how it tells of it."""
