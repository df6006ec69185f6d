"""The built-in models and problems: files that tools/pocket has made."""
