"""The metrics that processes expose, as values by name."""

import httpx2
from prometheus_client.parser import text_string_to_metric_families


def scrape(port: int | None) -> dict[str, float]:
    """Return the value of each sample, by its name and labels."""
    text = httpx2.get(f"http://127.0.0.1:{port}/metrics", timeout=10).text
    return {
        sample.name
        + "".join(f"|{value}" for _, value in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
