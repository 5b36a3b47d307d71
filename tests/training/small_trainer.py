"""A plugin of one file: which of two colours a picture has, learnt by a real, small torch model.

Tests copy it into a folder of plugins. Its options let them make it slow, greedy for memory, or go wrong.
"""

import json
import time

import numpy as np

from labeler.api import API, Plugin
from labeler.core.photos.images import read_pixels
from labeler.core.records import Box, Candidate
from labeler.models.files import made, safetensors_file
from labeler.models.protocols import FileSpec, ModelSpec
from labeler.training.specs import Option, TrainerSpec


def _network(classes):
    import torch

    return torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3, padding=1),
        torch.nn.BatchNorm2d(4, momentum=0.5),
        torch.nn.ReLU(),
        torch.nn.Dropout(0.1),
        torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(),
        torch.nn.Linear(4, classes),
    )


def _pixels(path):
    return read_pixels(path).rgb.astype(np.float32).transpose(2, 0, 1) / 255


def _train(folder, report, should_stop):
    import torch

    from labeler.training import loop

    options = folder.spec.options
    train, validation = folder.train_set(), folder.validation_set()

    def tensors(part):
        images = torch.from_numpy(np.stack([_pixels(image.path) for image in part.images]))
        classes = [part.class_of[image.annotations[0].category_id] for image in part.images]
        return images, torch.tensor(classes)

    class Task:
        module = None

        def steps(self, batch):
            return -(-len(train.images) // batch)

        def batches(self, epoch, batch):
            images, classes = tensors(train)
            generator = torch.Generator().manual_seed(folder.spec.seed * 1000 + epoch)
            for places in torch.randperm(len(classes), generator=generator).split(batch):
                yield {"images": images[places], "classes": classes[places], "epoch": epoch}

        def losses(self, batch, where):
            if len(batch["classes"]) > options["size"]:
                raise torch.OutOfMemoryError("CUDA out of memory.")
            time.sleep(options["pause"])
            logits = self.module(batch["images"])
            loss = torch.nn.functional.cross_entropy(logits.float(), batch["classes"])
            return {"loss": loss * (float("nan") if batch["epoch"] == options["spoilt"] else 1.0)}

        def evaluate(self, where, should_stop):
            images, classes = tensors(validation)
            right = self.module(images.to(where)).argmax(1).cpu() == classes
            return {"accuracy": float(right.float().mean())}

        def samples(self, where):
            yield validation.images[0].name, read_pixels(validation.images[0].path).rgb

        def optimizer(self):
            return torch.optim.AdamW(self.module.parameters(), lr=0.05)

    if options["broken"]:
        raise KeyError("something of the trainer's own")
    loop.seed(folder.spec.seed)
    task = Task()
    task.module = _network(len(train.names))
    schedule = loop.Schedule(options["epochs"], options["batch"], "accuracy", mixed_precision=False)
    loop.fit(task, folder, schedule, report, should_stop)
    return _saved(task.module, folder, train.names)


def _saved(module, folder, names):
    state = {name: tensor.detach().cpu().numpy() for name, tensor in module.state_dict().items()}
    path = folder.path / "weights.safetensors"
    about = {"labeler": "small", "format": "1", "categories": json.dumps(names), "title": folder.spec.name}
    safetensors_file.save(path, state, about)
    return path


class _Model:
    def __init__(self, path, names):
        import torch

        self._torch, self._names = torch, names
        self._network = _network(len(names)).eval()
        state = {name: torch.from_numpy(array) for name, array in safetensors_file.load(path).items()}
        self._network.load_state_dict(state)

    def detect(self, image, text=None):
        pixels = self._torch.from_numpy(image.astype(np.float32).transpose(2, 0, 1) / 255)
        with self._torch.no_grad():
            chances = self._network(pixels[None]).softmax(1)[0].tolist()
        height, width = image.shape[:2]
        found = [
            Candidate(0, 0, 0, 0, Box(0, 0, width, height), chance, name)
            for name, chance in zip(self._names, chances, strict=True)
        ]
        return tuple(sorted(found, key=lambda one: -one.confidence))


def _open(path):
    about = safetensors_file.header(path)
    names = tuple(json.loads(about["categories"]))
    return ModelSpec(
        f"small:{path.name}", about["title"], "detector", lambda: _Model(path, names), categories=names
    )


plugin = Plugin(
    API,
    "small",
    "1",
    trainers=(
        TrainerSpec(
            "small",
            "Small",
            "detector",
            _train,
            summary="Which colour a picture has.",
            options=(
                Option("epochs", "Epochs", 3, minimum=1),
                Option("batch", "Batch", 4, minimum=1),
                Option("pause", "Pause", 0.0, help="Seconds a step takes longer."),
                Option("size", "Size", 100, help="The largest batch that fits into memory."),
                Option("spoilt", "Spoilt", 0, help="The epoch whose loss is no number."),
                Option("broken", "Broken", False),
            ),
            metric="accuracy",
        ),
    ),
    files=(FileSpec("small-file", "Small", (".safetensors",), lambda p: made.maker_of(p) == "small", _open),),
)
