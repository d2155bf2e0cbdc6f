"""Write a software bill of materials (CycloneDX 1.6, JSON) of each deployed lock.

`python -m supply_chain.sbom FOLDER` writes FOLDER/seewhy-api.cdx.json and so on. Packages are named
by package URLs, so no address of an index appears.
"""

import sys
from importlib import metadata
from pathlib import Path

from cyclonedx.contrib.hash.factories import HashTypeFactory
from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import ExternalReference, ExternalReferenceType, Property, XsUri
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from supply_chain.licenses import expression_of
from supply_chain.locks import DEPLOYED, Pin, lock_path, read_lock

_LICENSES = LicenseFactory()
_HASHES = HashTypeFactory()


def make_sbom(lock: str) -> str:
    """Return the bill of materials of a lock, as JSON."""
    bom = Bom()
    version = metadata.version("seewhy")
    root = Component(
        name=f"seewhy-{lock}",
        version=version,
        type=ComponentType.APPLICATION,
        bom_ref=f"seewhy-{lock}@{version}",
        licenses=[_LICENSES.make_with_id("Apache-2.0")],
    )
    bom.metadata.component = root
    components = [_component(pin) for pin in read_lock(lock_path(lock))]
    bom.components.update(components)
    bom.register_dependency(root, components)
    return JsonV1Dot6(bom).output_as_string(indent=2)


def _component(pin: Pin) -> Component:
    purl = PackageURL("pypi", name=pin.name, version=pin.version)
    expression = expression_of(pin.name)
    return Component(
        name=pin.name,
        version=pin.version,
        type=ComponentType.LIBRARY,
        bom_ref=str(purl),
        purl=purl,
        licenses=[] if expression == "unknown" else [_LICENSES.make_from_string(expression)],
        properties=[Property(name="python:marker", value=pin.marker)] if pin.marker else [],
        external_references=[
            ExternalReference(
                type=ExternalReferenceType.DISTRIBUTION,
                url=XsUri(str(purl)),
                comment="The distributions that the lock accepts.",
                hashes=[_HASHES.from_hashlib_alg("sha256", digest) for digest in pin.hashes],
            )
        ],
    )


def main() -> None:
    """Write the file of every deployed lock and print their names."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for lock in DEPLOYED:
        path = folder / f"seewhy-{lock}.cdx.json"
        path.write_text(make_sbom(lock) + "\n", "utf-8")
        sys.stdout.write(f"==> {path}\n")


if __name__ == "__main__":
    main()
