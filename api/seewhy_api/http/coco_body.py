"""The regions of one map as an `instances` file of COCO."""

from typing import Literal

from pydantic import Field

from seewhy.annotations.coco.objects import Segmentation, encode_object
from seewhy.annotations.map_annotations import map_annotations
from seewhy.schemas.map_regions import MapRegions
from seewhy_api.http.explanation_body import ResponseModel

_IMAGE_ID = 1


class CocoCategory(ResponseModel):
    """The class of the map."""

    id: int = Field(description="The index of the class in the model, plus 1.")
    name: str
    supercategory: Literal[""] = ""


class CocoImage(ResponseModel):
    """The image; it has no name in the service."""

    id: int
    file_name: str = Field(description="The id of the explanation.")
    width: int
    height: int


class CocoObject(ResponseModel):
    """A region. Coordinates are pixels of the upright image."""

    id: int
    image_id: int
    category_id: int
    bbox: tuple[float, float, float, float] = Field(description="x, y, width and height.")
    area: float = Field(description="The area of the polygon.")
    segmentation: tuple[tuple[float, ...], ...] = Field(
        description="The outer polygon: x and y of each vertex in turn."
    )
    iscrowd: Literal[0]
    score: float | None = Field(
        None, description="The probability of the class times the score of the region."
    )


class CocoDocument(ResponseModel):
    """An `instances` file of one image, as in https://cocodataset.org/#format-data."""

    categories: tuple[CocoCategory, ...]
    images: tuple[CocoImage, ...]
    annotations: tuple[CocoObject, ...]


def coco_document(regions: MapRegions, *, job_id: str) -> CocoDocument:
    """Return the regions of a map of an explanation as a document of one image and one class."""
    category = CocoCategory(id=regions.target.index + 1, name=regions.target.label)
    objects = (
        encode_object(
            annotation,
            Segmentation.POLYGON,
            object_id=number,
            image_id=_IMAGE_ID,
            category_id=category.id,
        )
        for number, annotation in enumerate(map_annotations(regions), start=1)
    )
    image = CocoImage(
        id=_IMAGE_ID,
        file_name=job_id,
        width=regions.image_width_px,
        height=regions.image_height_px,
    )
    return CocoDocument(
        categories=(category,),
        images=(image,),
        annotations=tuple(CocoObject.model_validate(one) for one in objects),
    )
