"""Where a network's weights are, and what they hash to. Imports no torch."""

import difflib
import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import TypeVar

from biomass_pipeline.config import BackboneConfig
from biomass_pipeline.errors import MissingInputError, MissingWeightsError, UnknownBackboneError
from biomass_pipeline.features.naming import Network, network_of
from biomass_pipeline.features.tokens import layers_identity
from biomass_pipeline.features.views import view_identity

RANDOM_SEED = 0
PROBE_S = 5.0
# The probe's own limit does not cover name resolution, which can block for most of a minute.
GIVE_UP_S = 8.0
HUB_FILE = "model.safetensors"

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class HubFile:
    """A file on the Hugging Face hub."""

    repo: str
    name: str = HUB_FILE

    def __str__(self) -> str:
        return f"https://huggingface.co/{self.repo} ({self.name})"


def timm_identity(model: str, spec: BackboneConfig, *, base: Path) -> dict[str, str]:
    """What decides the output of a timm network.

    Where the weights came from does not: the same bytes from a file and from the hub are the same
    network. Weights of the hub that were never fetched have no hash yet: fetch before
    fingerprinting.

    Args:
        model: The network in timm's naming.
        spec: Which weights, read how, computed how.
        base: What a relative `checkpoint` is relative to.

    Raises:
        MissingInputError: The checkpoint is not there.
    """
    origin, digest = _origin(model, spec, base=base)
    identity = {
        "name": f"timm:{model}",
        "weights": origin,
        "weights_sha256": digest,
        "tokens": spec.tokens,
        "layers": layers_identity(spec, network_of(model)),
        "precision": spec.precision,
        "compile": str(spec.compile),
        "input": "uint8 RGB, normalised by the network's own mean and standard deviation",
        "timm": metadata.version("timm"),
        "torch": metadata.version("torch"),
    }
    return view_identity(identity, spec.views, spec.view_rows)


def locate(model: str, spec: BackboneConfig, *, base: Path) -> Path | None:
    """The file a network's weights are in, fetched if need be; None for random weights.

    Raises:
        UnknownBackboneError: timm has no network of this name.
        MissingInputError: The checkpoint is not there.
        MissingWeightsError: No checkpoint is given, and none can be fetched.
    """
    if network_of(model) is None:
        require_network(model)
    if spec.checkpoint:
        return checkpoint_path(spec.checkpoint, base=base)
    if spec.random_weights:
        return None
    return fetch_hub_file(hub_file(model), model=model)


def checkpoint_path(checkpoint: str, *, base: Path) -> Path:
    """The file a configuration names.

    Raises:
        MissingInputError: It is not there.
    """
    path = base / Path(checkpoint).expanduser()
    if not path.is_file():
        what = "checkpoint of the backbone"
        raise MissingInputError(what, str(path), option="backbone.checkpoint")
    return path


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file, remembered in this process while size and time stay the same."""
    stat = path.stat()
    return _hash(path, stat.st_size, stat.st_mtime_ns)


def require_network(model: str) -> None:
    """Check that timm has a network, and weights of the tag after its name, if there is one.

    Raises:
        UnknownBackboneError: It has none of this name, or of this tag.
    """
    import timm  # noqa: PLC0415 - imports torch

    if not timm.is_model(model):
        networks = timm.list_models()
        near = difflib.get_close_matches(model.partition(".")[0], networks, n=2)
        raise UnknownBackboneError(model, near=near, known=[f"{len(networks)} networks of timm"])
    architecture, _, tag = model.partition(".")
    if tag:
        tagged = timm.list_models(architecture, include_tags=True)
        if model not in tagged:
            near = difflib.get_close_matches(model, tagged, n=2)
            raise UnknownBackboneError(model, near=near, known=tagged or [architecture])


def cached_hub_file(file: HubFile) -> Path | None:
    """A file of the hub that an earlier download left on this machine."""
    from huggingface_hub import try_to_load_from_cache  # noqa: PLC0415 - slow, rarely needed

    found = try_to_load_from_cache(file.repo, file.name)
    return Path(found) if isinstance(found, str) else None


def fetch_hub_file(file: HubFile, *, model: str) -> Path:
    """A file of the hub: from this machine's cache, else downloaded at its current revision.

    Raises:
        MissingWeightsError: It is not cached, and the hub forbids it or does not answer in time.
    """
    cached = cached_hub_file(file)
    if cached:
        return cached
    import huggingface_hub  # noqa: PLC0415 - slow, rarely needed

    url = huggingface_hub.hf_hub_url(file.repo, file.name)
    try:
        _within(GIVE_UP_S, lambda: huggingface_hub.get_hf_file_metadata(url, timeout=PROBE_S))
        # By its branch: a download by commit leaves no reference to `main`, by which
        # `cached_hub_file` finds it again.
        return Path(huggingface_hub.hf_hub_download(file.repo, file.name))
    except Exception as error:  # the client passes on the errors of its HTTP library
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise MissingWeightsError(model, source=str(file), reason=reason) from error


def hub_file(model: str) -> HubFile:
    """Where timm keeps a network's weights.

    Raises:
        UnknownBackboneError: timm has no network of this name.
        MissingWeightsError: timm knows no place on the hub.
    """
    network = network_of(model)
    if network:
        return HubFile(network.hub_repo)
    # Only timm knows the places of other networks, at the price of importing torch.
    from timm.models import get_pretrained_cfg  # noqa: PLC0415

    require_network(model)
    place = get_pretrained_cfg(model)
    if place is None or not place.hf_hub_id:
        raise MissingWeightsError(model, source="timm", reason="it knows no place on the hub")
    return HubFile(place.hf_hub_id, place.hf_hub_filename or HUB_FILE)


def is_here(network: Network) -> bool:
    """Whether the weights of a registered network lie in this machine's cache of the hub."""
    return cached_hub_file(HubFile(network.hub_repo)) is not None


def _origin(model: str, spec: BackboneConfig, *, base: Path) -> tuple[str, str]:
    """What the weights are, in words, and their hash."""
    if spec.checkpoint:
        return "pretrained", file_sha256(checkpoint_path(spec.checkpoint, base=base))
    if spec.random_weights:
        return f"random, seed {RANDOM_SEED}", ""
    file = hub_file(model)
    cached = cached_hub_file(file)
    return ("pretrained", file_sha256(cached)) if cached else (f"not fetched from {file}", "")


@lru_cache(maxsize=16)
def _hash(path: Path, n_bytes: int, mtime_ns: int) -> str:
    del n_bytes, mtime_ns  # part of the key only
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _within(seconds: float, call: Callable[[], Answer]) -> Answer:
    """Call in a thread that can be left behind when it does not come back in time."""
    answers: list[Answer] = []
    failures: list[Exception] = []

    def work() -> None:
        try:
            answers.append(call())
        except Exception as error:  # noqa: BLE001 - handed to the waiting thread
            failures.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(seconds)
    if failures:
        raise failures[0]
    if not answers:
        msg = f"no answer within {seconds:g} s"
        raise TimeoutError(msg)
    return answers[0]
