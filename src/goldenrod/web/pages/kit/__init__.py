"""What pages share: requests, templates, forms, links, cookies."""
