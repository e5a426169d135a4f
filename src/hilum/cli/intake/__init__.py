"""What `hilum import` is made of: files in, instances out, and the account of both."""
