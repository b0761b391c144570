"""The HTML of all pages: templates, and what fills them."""
