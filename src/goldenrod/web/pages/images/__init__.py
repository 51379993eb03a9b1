"""Pages of images: home, search, one image, its feed."""
