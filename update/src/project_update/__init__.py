"""Updates of a project that was made of the template, as a three-way merge."""
