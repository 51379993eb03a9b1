"""The help: the documents of this release inside the site, and the API's reference."""
