"""What a person may decide about a photo that is gone or is another one; called on the writer's thread.

What touches labels is an edit, for the caller to commit. Which file an image is, is a fact.
"""

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from msgspec.structs import replace

from labeler.core.photos.photo_files import PLACEHOLDER, Fingerprint
from labeler.core.records import Change, Edit, Image
from labeler.core.scaling import rescaled
from labeler.errors import ProjectError
from labeler.project.photos.survey import MISSING
from labeler.project.store import Store


def removal(store: Store, image_ids: Sequence[int]) -> Edit:
    """An edit, not yet applied, that takes images out of the project with all that is on them."""
    images = [store.image(image_id) for image_id in image_ids]
    changes: list[Change] = []
    for image in images:
        changes += [Change(one, None) for one in store.annotations(image.id)]
        changes += [Change(one, None) for one in store.predictions.candidates(image.id)]
        changes.append(Change(image, None))
    name = PurePosixPath(images[0].path).name if len(images) == 1 else f"{len(images):,} images"
    return Edit(f"Remove {name}", tuple(changes))


def relocation(store: Store, image_id: int, path: str) -> Edit:
    """An edit, not yet applied, after which an image is the file at `path`, relative to the root or absolute.

    An image that the file is already gives way where nothing is on it; else `ProjectError`.
    """
    image = store.image(image_id)
    other = next((one for one in store.images() if one.path == path and one.id != image_id), None)
    changes: list[Change] = []
    if other is not None:
        if other.id in store.photos.labelled():
            raise ProjectError(
                f"{path} is an image of the project with labels of its own. Remove those first, or choose "
                "another file."
            )
        changes = list(removal(store, [other.id]).changes)
    changes.append(Change(image, replace(image, path=path, note="")))
    return Edit(f"Locate {PurePosixPath(path).name}", tuple(changes))


def scaling(store: Store, sizes: Mapping[int, tuple[int, int]]) -> Edit:
    """An edit, not yet applied, that fits the labels of images to their new sizes (width, height)."""
    changes = []
    for image_id, (width, height) in sizes.items():
        image = store.image(image_id)
        if not image.width or not image.height:
            continue
        x, y = width / image.width, height / image.height
        for one in store.annotations(image_id):
            changes.append(Change(one, replace(one, shape=rescaled(one.shape, x, y))))
    return Edit(
        f"Fit labels of {len(sizes):,} scaled {'photo' if len(sizes) == 1 else 'photos'}", tuple(changes)
    )


def take_as_photo(store: Store, found: Mapping[int, tuple[Fingerprint, tuple[int, int]]]) -> int:
    """From now on these images are the files in their place, of these fingerprints and sizes.

    What models found on the files that were there goes; gives how much that was.
    """
    with store.transaction():
        for image_id, (print_, (width, height)) in found.items():
            image = replace(store.image(image_id), width=width, height=height, note="", digest=print_.digest)
            store.photos.update([image])
            store.photos.replace(image_id, print_)
        return store.predictions.forget_images(found)


def set_aside(store: Store, image_ids: Sequence[int]) -> Edit:
    """An edit, not yet applied: labels stay with their own, missing photo; what lies there is a new image."""
    images = [store.image(image_id) for image_id in image_ids]
    first = store.ids.take("image", len(images))
    changes: list[Change] = []
    for image in images:
        away = f"{PLACEHOLDER}/{image.id}/{PurePosixPath(image.path).name}"
        changes.append(Change(image, replace(image, path=away, note=MISSING)))
    changes += [Change(None, Image(first + n, one.path, 0, 0)) for n, one in enumerate(images)]
    name = PurePosixPath(images[0].path).name if len(images) == 1 else f"{len(images):,} photos"
    return Edit(f"Set labels of {name} aside", tuple(changes))
