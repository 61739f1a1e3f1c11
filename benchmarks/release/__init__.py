"""The figures that the pages state: which command measures each, and the pages that are rendered from them."""
