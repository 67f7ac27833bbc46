"""Archives that hold images: of an image layout, and as `docker save` writes them."""
