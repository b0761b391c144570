"""The HTML of all pages: names that could be markup, and the site."""
