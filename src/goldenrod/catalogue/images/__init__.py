"""Images, their tags, and finding them."""
