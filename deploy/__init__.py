"""How Tandem is installed, run and watched elsewhere than on a developer's desk."""
