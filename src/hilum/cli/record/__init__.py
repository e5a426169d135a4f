"""A de-identified record of what two systems said to each other, and how it is played again."""
