"""The viewer of maps that runs in a browser: of the inspector, and of saved HTML files."""
