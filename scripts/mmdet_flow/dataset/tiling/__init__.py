"""Cutting a data set into tiles: what each tile shows, which are kept, the account."""
