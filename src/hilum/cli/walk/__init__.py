"""What `hilum demo` walks: one row for each operation, each by a real client connection."""
