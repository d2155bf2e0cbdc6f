"""`seewhy models`."""


def models() -> None:
    """List the catalogue, and which weights are on this machine."""
    from rich.table import Table  # noqa: PLC0415

    from seewhy.catalog import Catalog, RandomWeights  # noqa: PLC0415
    from seewhy.cli.terminal import results  # noqa: PLC0415
    from seewhy.settings import load  # noqa: PLC0415
    from seewhy.weights import locate  # noqa: PLC0415

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
