"""The stores that come with mini_orm."""
