"""What a booking, a message and a commission are: pure, typed, no input or output, no clock of its own."""
