"""What keeps the repository in shape; not part of the product."""
