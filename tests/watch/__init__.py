"""The live page: by results that are half there, over HTTP, and in a browser."""
