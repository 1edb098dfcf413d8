"""What should happen: values in, actions out. No I/O, no clock, no randomness: those come in as arguments."""
