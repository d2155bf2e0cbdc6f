"""The inspector: the page on which a person sees why, as files without a build step."""
