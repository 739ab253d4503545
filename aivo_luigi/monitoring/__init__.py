"""What is wrong with the warehouse's days, as its own tables tell it."""
