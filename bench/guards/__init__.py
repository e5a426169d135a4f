"""What tokens and TLS cost, `--guards`."""
