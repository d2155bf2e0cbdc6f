"""`seewhy models`."""


def models() -> None:
    """List the catalogue, and which weights are on this machine."""
    from rich.table import Table

    from seewhy.catalog import Catalog, RandomWeights
    from seewhy.cli.terminal import results
    from seewhy.settings import load
    from seewhy.weights import locate

    settings = load()
    catalog = Catalog.load(settings)
    table = Table(box=None)
    for title in ("name", "source", "input", "layer", "weights"):
        table.add_column(title, overflow="fold")
    for name in catalog.names():
        spec = catalog.get(name)
        if isinstance(spec.weights, RandomWeights):
            weights = "random"
        else:
            weights = "found" if locate(spec, settings) else "not found"
        table.add_row(
            f"{name} (default)" if name == settings.default_model else name,
            spec.source,
            f"{spec.input.height_px} x {spec.input.width_px}",
            spec.layer or "last spatial",
            weights,
        )
    results().print(table)
