"""U-Net: the category of every pixel, learnt from outlines; its connected regions are the objects."""

from pathlib import Path

import msgspec
import numpy as np

from labeler.api import Plugin
from labeler.models.files import made
from labeler.models.files.made import Made
from labeler.models.files.opener import guarded
from labeler.models.protocols import Portable, SemanticSegmenter, Weights
from labeler.training import options
from labeler.training.events import Report, ShouldStop
from labeler.training.run import RunFolder
from labeler.training.specs import Option, TrainerSpec, settings

_ID = "unet"


def _train(folder: RunFolder, report: Report, should_stop: ShouldStop) -> Path:
    from labeler.training.unet import trainer as unet_trainer  # noqa: PLC0415  # heavy: in a child only

    plan = msgspec.convert(settings(_TRAINER, folder.spec.options), unet_trainer.UnetPlan)
    return unet_trainer.train(folder, plan, report, should_stop)


def _load(weights: Weights, made: Made) -> SemanticSegmenter:
    from labeler.training.unet import pixel_model  # noqa: PLC0415  # heavy: in a child only

    model: SemanticSegmenter = guarded(weights.path.name, lambda: pixel_model.load(made))
    return model


def _portable(weights: Weights, made: Made) -> Portable:
    """The network with what it does to colours; images are padded for it here, since tiles differ in size."""
    from labeler.training.unet import pixel_model  # noqa: PLC0415  # heavy: in a child only

    network = guarded(weights.path.name, lambda: pixel_model.load(made))
    recipe, multiple = network.recipe, network.recipe.architecture.multiple
    return Portable(
        module=pixel_model.Probabilities(network.module).cpu().eval(),
        example=np.zeros((1, 3, 3 * multiple + 1, 2 * multiple + 3), dtype=np.uint8),
        outputs=("probabilities",),
        runner="run_unet_whole.py" if recipe.whole else "run_unet_tiles.py",
        classes=tuple(made.categories),
        settings={
            "tile": recipe.tile,
            "multiple": multiple,
            "seams": recipe.seams,
            "least": recipe.least,
        },
        free={2: "height", 3: "width"},
    )


def _share(name: str, title: str, default: float, about: str) -> Option:
    return Option(
        name, title, default, f"{about} 0 leaves it out.", minimum=0.0, maximum=1000.0, advanced=True
    )


_TRAINER = TrainerSpec(
    id=_ID,
    title="U-Net",
    task="semantic",
    train=_train,
    summary="Gives every pixel a category, learnt from outlines: for cells, tissue, cracks, land, roads.",
    metric="IoU",
    options=(
        options.epochs(40),
        Option(
            "images",
            "Images",
            "auto",
            "Cut into tiles at their own size, or resized to fit into one; auto by how large objects are.",
            choices=("auto", "tiles", "resize"),
        ),
        Option("seams", "Keep touching objects apart", True, "Learn a line of background between them."),
        Option(
            "any_way_up",
            "Objects lie any way round",
            False,
            "Turn images by quarters too, as of a microscope or from the air.",
        ),
        options.batch(
            0, of="Tiles", about="Fewer need less memory; 0 for as many as fit.", minimum=0, advanced=True
        ),
        options.size(
            title="Tile",
            about="Longest side in pixels of what is learnt from at once; 0 to choose it by the device.",
            advanced=True,
            formerly=("tile",),
        ),
        Option(
            "width",
            "Width",
            0,
            "Channels at full size; 0 to choose them by the memory.",
            minimum=0,
            maximum=256,
            advanced=True,
        ),
        Option(
            "depth",
            "Depth",
            0,
            "How often the image is halved; 0 to choose it by how large objects are.",
            minimum=0,
            maximum=6,
            advanced=True,
        ),
        _share("cross_entropy", "Cross-entropy", 1.0, "How much it counts."),
        _share("dice", "Dice loss", 1.0, "How much it counts; steady where objects are few."),
        _share("focal", "Focal loss", 0.0, "How much it counts; for pixels that are hard to tell."),
        _share("boundary", "Boundary loss", 0.0, "How much it counts, added to one of the others."),
        Option(
            "class_weights",
            "Weigh categories",
            False,
            "Have rare categories count more in the cross-entropy.",
            advanced=True,
        ),
        Option(
            "augment", "Vary images", True, "Mirror, turn, scale and recolour tiles by chance.", advanced=True
        ),
        options.rate(4e-3, minimum=1e-7, formerly=("learning_rate",)),
        options.patience(15),
        Option(
            "mixed_precision",
            "Mixed precision",
            True,
            "Compute in short floats where the device is faster in them.",
            advanced=True,
        ),
        Option(
            "encoder",
            "Encoder",
            "",
            "One of segmentation-models-pytorch in place of ours, as resnet34; needs the extra "
            "pretrained-encoders.",
            advanced=True,
        ),
        Option(
            "pretrained",
            "Pretrained encoder",
            False,
            "Begin with that encoder's ImageNet weights, which are downloaded.",
            advanced=True,
        ),
    ),
)

plugin = Plugin(
    api=1,
    name="U-Net",
    version="1.0",
    trainers=(_TRAINER,),
    files=(
        made.kind(_ID, "a U-Net trained here", maker=_ID, task="semantic", load=_load, portable=_portable),
    ),
)
