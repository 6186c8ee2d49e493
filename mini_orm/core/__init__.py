"""The relational half of mini_orm."""
