"""The schema of `manifest.yaml`: a codec's or a policy's, told apart by `kind`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

from contracts.axes import latent_axes
from contracts.errors import FileError

MANIFEST_NAME = "manifest.yaml"
FORMAT = 1

FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=100)]
Identifier = Annotated[str, Field(pattern=r"^[a-z0-9_]+@[0-9a-f]{12}$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Side = Literal["left", "right"]


class Strict(BaseModel):
    """A part of the manifest; a field it does not know is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class FileEntry(Strict):
    """Content of one file of the bundle."""

    sha256: Sha256
    bytes: int = Field(gt=0)


class HandEntry(Strict):
    """One hand of a codec: joint order and limits it was trained with (rad, m for prismatic joints), its networks.

    The encoder maps `joints` (B, n) to `latent` (B, N), the decoder `latent` (B, N) to `joints` (B, n), both in
    physical units: normalisation by the limits is inside the graphs. `density` is the file of the latents that the
    decoder was trained on, which hands may share; a latent with a score below `density_threshold` is refused.
    """

    joints: tuple[str, ...] = Field(min_length=1)
    lower: tuple[float, ...]
    upper: tuple[float, ...]
    encoder: FileName
    decoder: FileName
    density: FileName
    density_threshold: float

    @model_validator(mode="after")
    def _limits_fit_the_joints(self) -> HandEntry:
        for name in ("lower", "upper"):
            found = len(getattr(self, name))
            if found != len(self.joints):
                raise FileError("", name, f"{found} values", f"{len(self.joints)}, one a joint")
        if any(low >= high for low, high in zip(self.lower, self.upper, strict=True)):
            raise FileError("", "lower", "a limit that is not below upper", "lower < upper")
        return self


class CodecContract(Strict):
    """What a codec bundle promises."""

    latent_dim: int = Field(ge=1, le=256)
    hands: dict[str, HandEntry] = Field(min_length=1)


class ObservationContract(Strict):
    """What a policy must be shown: cameras name -> (height, width) of the prepared image; oldest admissible age."""

    cameras: dict[str, tuple[int, int]] = Field(min_length=1)
    encoding: Literal["rgb8"] = "rgb8"
    max_age_s: float = Field(gt=0)


class PolicyContract(Strict):
    """What a policy bundle promises. Point i of a chunk is at the observation's stamp + (i + 1) * period_s.

    `plan` is how many points of the chunk that the robots already follow the model is told at most; 0: it has no such
    inputs. `normalisation` records the statistics that are baked into the graph, one list a name, for inspection.
    """

    model: FileName
    sides: tuple[Side, ...] = Field(min_length=1)
    period_s: float = Field(gt=0, le=1)
    horizon: int = Field(ge=1, le=256)
    plan: int = Field(0, ge=0, le=256)
    observation: ObservationContract
    normalisation: dict[str, tuple[float, ...]] = {}
    options: dict[str, JsonValue] = {}


class Training(Strict):
    """Where the weights come from: enough to repeat the training."""

    recipe: str
    config: dict[str, JsonValue]
    inputs: dict[str, str] = {}
    steps: int = Field(ge=0)
    seed: int
    seconds: float = Field(ge=0)
    created: str
    versions: dict[str, str] = {}


class BaseManifest(Strict):
    """What all bundles say: identity, latent space, files, origin and measured quality.

    Attributes:
        latent_space: Fixed when a space is trained; a codec that gains a hand later keeps it.
        axes: Names of one side's latent vector, in wire order.
    """

    format: Literal[1] = FORMAT
    kind: str
    id: Identifier
    latent_space: Identifier
    axes: tuple[str, ...] = Field(min_length=1)
    files: dict[FileName, FileEntry] = Field(min_length=1)
    training: Training
    metrics: dict[str, JsonValue] = {}

    @property
    def referenced_files(self) -> tuple[str, ...]:
        """The files that the contract names, each once."""
        raise NotImplementedError

    @model_validator(mode="after")
    def _referenced_files_are_listed(self) -> BaseManifest:
        for name in self.referenced_files:
            if name not in self.files:
                raise FileError("", "files", f"no entry {name}", "one because the contract names it")
        return self


class CodecManifest(BaseManifest):
    """A codec bundle: encoders and decoders of hands that share one latent space."""

    kind: Literal["codec"] = "codec"
    codec: CodecContract

    @property
    def referenced_files(self) -> tuple[str, ...]:
        """The files that the contract names, each once."""
        hands = self.codec.hands.values()
        return tuple(dict.fromkeys(file for hand in hands for file in (hand.encoder, hand.decoder, hand.density)))

    @model_validator(mode="after")
    def _axes_fit_the_latents(self) -> CodecManifest:
        expected = latent_axes(self.codec.latent_dim)
        if self.axes != expected:
            raise FileError("", "axes", " ".join(self.axes), " ".join(expected))
        return self


class PolicyManifest(BaseManifest):
    """A policy bundle: one network from observations to chunks of latent actions."""

    kind: Literal["policy"] = "policy"
    policy: PolicyContract

    @property
    def referenced_files(self) -> tuple[str, ...]:
        """The file of the network."""
        return (self.policy.model,)


Manifest = CodecManifest | PolicyManifest
