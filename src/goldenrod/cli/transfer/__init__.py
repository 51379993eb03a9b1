"""Commands for export, import and backup."""
