"""A change bound to a data set, which says where people and faces are: what training applies to each decoded image."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from steelyard.base.errors import InputError
from steelyard.datasets.dataset import Dataset, InBlocks, WithPeople
from steelyard.datasets.faces import Faces, own_faces
from steelyard.datasets.people import People
from steelyard.mitigation.pixels.catalog import PIXEL_CHANGES, Needs
from steelyard.mitigation.pixels.changes import Boxes, Images
from steelyard.tables.messages import closest, complaint, quoted

Size = tuple[int, int]


@dataclass(frozen=True, slots=True)
class DatasetChange:
    """A change of the images of one data set; `pixel_change` makes it. It can be sent to worker processes.

    Attributes:
        name: a key of `PIXEL_CHANGES`.
        dataset: says where the people are.
        faces: says where the faces are; None where the data set does itself, or where they are not needed.
    """

    name: str
    dataset: Dataset
    faces: Faces | None = None

    def __call__(self, image_id: str, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The image of this id, changed; the one given stays as it is.

        Args:
            image_id: of the data set.
            image: `[h, w, 3]`, RGB, as it was decoded: not yet resized or cut.

        Raises:
            InputError: the image has another size than its segments, or its faces lie outside.
        """
        return np.asarray(self.change_many([image_id], image[None])[0])

    def change_many(self, image_ids: Sequence[str], images: Images) -> Images:
        """The images of these ids, changed; a data set that renders is asked once for all of them.

        Args:
            image_ids: n of the data set.
            images: `[n, h, w, 3]`, RGB, as they were decoded.

        Raises:
            InputError: as for one image.
        """
        change = PIXEL_CHANGES[self.name]
        size = images.shape[1], images.shape[2]
        if change.needs == "faces":
            return change.how(images, self._faces(image_ids, size))
        people = self._people(image_ids, size)
        if change.needs == "boxes":
            return change.how(images, [one.boxes for one in people])
        return change.how(images, np.array([one.mask() for one in people], dtype=np.bool_).reshape(images.shape[:3]))

    def _people(self, image_ids: Sequence[str], size: Size) -> list[People]:
        if isinstance(self.dataset, InBlocks):
            people = self.dataset.people_of(image_ids)
        else:
            assert isinstance(self.dataset, WithPeople)
            people = [self.dataset.people(image_id) for image_id in image_ids]
        for image_id, one in zip(image_ids, people, strict=True):
            if one.size != size:
                expected = f"{one.size[0]} by {one.size[1]} pixels, as its people were annotated"
                do = "change pixels before resizing or cutting"
                raise _wrong(image_id, expected, f"{size[0]} by {size[1]}", do)
        return people

    def _faces(self, image_ids: Sequence[str], size: Size) -> list[Boxes]:
        if self.faces is None and isinstance(self.dataset, InBlocks):
            found = self.dataset.faces_of(image_ids)
        else:
            faces = own_faces(self.dataset) if self.faces is None else self.faces
            found = [faces(image_id) for image_id in image_ids]
        for image_id, boxes in zip(image_ids, found, strict=True):
            _require_within(image_id, boxes, size)
        return found


def pixel_change(name: str, dataset: Dataset, *, faces: Faces | None = None) -> DatasetChange:
    """One of `PIXEL_CHANGES` for a data set's images.

    Args:
        name: of the change.
        dataset: says where the people are. Where a person of COCO has no segment, the person's box is taken; crowds
            count as people.
        faces: id → `[f, 4]` boxes (`datasets.face_finding.open_faces` makes one); None for the data set's own.

    Raises:
        InputError: no such change, or the data set does not say what it needs.
        MissingExtraError: reading segments or rendering needs a package that is not installed.
    """
    if name not in PIXEL_CHANGES:
        found = f"{quoted(name)}{closest(name, list(PIXEL_CHANGES))}"
        raise InputError(complaint("pixels", "", expected=", ".join(PIXEL_CHANGES), found=found, do="choose one"))
    needs = PIXEL_CHANGES[name].needs
    if needs == "faces":
        if faces is None:
            own_faces(dataset)
        return DatasetChange(name, dataset, faces)
    if not isinstance(dataset, WithPeople):
        raise _lacks(dataset, name, "none", {"faces"})
    # One look, so that what is missing shows now and not at the first batch.
    for image_id in dataset.labels().ids[:1].tolist():
        if dataset.people(image_id).masks is None and needs == "segments":
            raise _lacks(dataset, name, "boxes alone", {"boxes", "faces"})
    return DatasetChange(name, dataset)


def _require_within(image_id: str, boxes: Boxes, size: Size) -> None:
    """Raise an `InputError` where a box lies outside the image: then it is of an image of another size."""
    height, width = size
    outside = (boxes[:, :2] >= [width, height]).any(axis=1) | (boxes[:, 2:] <= 0).any(axis=1)
    if outside.any():
        found = "a box from {:g}, {:g} to {:g}, {:g}".format(*boxes[outside][0])
        do = "give boxes in the pixels of the images as stored"
        raise _wrong(image_id, f"faces within {height} by {width} pixels", found, do)


def _lacks(dataset: Dataset, name: str, found: str, left: Collection[Needs]) -> InputError:
    """The error for a data set that does not say enough; `left` is what the changes that remain may need."""
    others = ", ".join(other for other, change in PIXEL_CHANGES.items() if change.needs in left)
    expected = f"{PIXEL_CHANGES[name].needs} of people, for {name}"
    do = f"choose {others} or another data set"
    return InputError(complaint(dataset.source, "", expected=expected, found=found, do=do))


def _wrong(image_id: str, expected: str, found: str, do: str) -> InputError:
    return InputError(complaint(f"image {quoted(image_id)}", "", expected=expected, found=found, do=do))
