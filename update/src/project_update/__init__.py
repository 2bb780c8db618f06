"""Update a project to another version of its template by a three-way merge."""
