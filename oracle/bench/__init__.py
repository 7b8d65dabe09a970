"""How fast it is: each benchmark measures the real system and prints one document."""
