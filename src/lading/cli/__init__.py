"""The command `lading`: what the library does, for a shell."""
