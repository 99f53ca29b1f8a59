"""The schema of `manifest.yaml`: a codec's or a policy's, discriminated by `kind`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

from contracts.axes import latent_axes
from contracts.errors import FileError
from contracts.image_contract import Framing, Trained

MANIFEST_NAME = "manifest.yaml"
FORMAT = 1

FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=100)]
Identifier = Annotated[str, Field(pattern=r"^[a-z0-9_]+@[0-9a-f]{12}$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Side = Literal["left", "right"]
JointLimit = Annotated[float, Field(ge=-12.6, le=12.6)]
Pixels = Annotated[int, Field(ge=1, le=4096)]


class Strict(BaseModel):
    """A part of the manifest; an unknown field is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class FileEntry(Strict):
    """Content of one file of the bundle."""

    sha256: Sha256 = Field(description="hash of the content")
    bytes: int = Field(gt=0, description="its size")


class HandEntry(Strict):
    """One hand of a codec: its joints, and networks in physical units (rad, m); they normalise inside.

    Hands may share the file of a density.
    """

    joints: tuple[str, ...] = Field(min_length=1, description="names, in the order of the networks")
    lower: tuple[JointLimit, ...] = Field(description="limits in training, rad or m")
    upper: tuple[JointLimit, ...] = Field(description="the same")
    encoder: FileName = Field(description="ONNX file: joints (B, n) to latent (B, N)")
    decoder: FileName = Field(description="ONNX file: latent (B, N) to joints (B, n)")
    density: FileName = Field(description="file with the density of admissible latents")
    # a log likelihood ratio: lower ones accept what no training data is near to
    density_threshold: float = Field(ge=-100, le=100, description="a latent with a lower score is refused")

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
    """The contract of a codec bundle."""

    latent_dim: int = Field(ge=1, le=256, description="N")
    hands: dict[str, HandEntry] = Field(min_length=1, description="by name of the embodiment")


class ObservationContract(Strict):
    """The observations that a policy needs."""

    cameras: dict[str, tuple[Pixels, Pixels]] = Field(
        min_length=1, description="name -> height, width of the image given to the network"
    )
    framing: dict[str, Framing] = Field(
        default_factory=dict, description="by camera: how the images of the training were made from its images"
    )
    encoding: Literal["rgb8"] = Field("rgb8", description="of the image")
    min_rate_hz: float | None = Field(
        None, gt=0, le=1000, description="least rate of images, as in the training; none: one a point of the chunk"
    )
    max_age_s: float = Field(gt=0, le=2, description="oldest observation that may be acted on")

    @model_validator(mode="after")
    def _framing_is_of_its_cameras(self) -> ObservationContract:
        if unknown := sorted(self.framing.keys() - self.cameras.keys()):
            raise FileError("", "framing", unknown[0], f"one of {', '.join(self.cameras)}")
        return self


class PolicyContract(Strict):
    """The contract of a policy bundle. Point i of a chunk is at the observation's stamp + (i + 1) * period_s."""

    model: FileName = Field(description="ONNX file")
    sides: tuple[Side, ...] = Field(min_length=1, description="that it moves")
    period_s: float = Field(ge=1e-3, le=1, description="time between two points of a chunk")
    horizon: int = Field(ge=1, le=256, description="points of a chunk")
    # named as in format 1
    plan: int = Field(0, ge=0, le=256, description="most points of the action prefix; 0: the network takes none")
    observation: ObservationContract = Field(description="what it must be shown")
    normalisation: dict[str, tuple[float, ...]] = Field(
        default_factory=dict, description="statistics that are part of the network, for inspection"
    )
    options: dict[str, JsonValue] = Field(default_factory=dict, description="of the training, for inspection")

    def trained(self, camera: str) -> Trained:
        """The images of a camera that it was trained on."""
        seen = self.observation
        return Trained(
            seen.cameras[camera], seen.min_rate_hz or 1.0 / self.period_s, seen.framing.get(camera, Framing())
        )


class Training(Strict):
    """Where the weights come from: enough to repeat the training."""

    recipe: str = Field(description="how it was trained")
    config: dict[str, JsonValue] = Field(description="configuration of the training")
    inputs: dict[str, str] = Field(default_factory=dict, description="name -> hash of what it was trained on")
    steps: int = Field(ge=0, description="of the optimiser")
    seed: int = Field(description="of all random numbers")
    seconds: float = Field(ge=0, description="how long it took")
    created: str = Field(description="when, UTC")
    versions: dict[str, str] = Field(default_factory=dict, description="library -> version")


class BaseManifest(Strict):
    """What all bundles say: identity, latent space, files, origin and measured quality.

    Attributes:
        latent_space: Fixed when a space is trained; a codec that gains a hand later keeps it.
        axes: Names of one side's latent vector, in wire order.
    """

    format: Literal[1] = Field(FORMAT, description="version of this schema")
    kind: str = Field(description="codec or policy")
    id: Identifier = Field(description="name@hash of the bundle")
    latent_space: Identifier = Field(description="name@hash of the space; a codec that gains a hand keeps it")
    axes: tuple[str, ...] = Field(min_length=1, description="names of the latent vector of one side, in wire order")
    files: dict[FileName, FileEntry] = Field(min_length=1, description="by name")
    training: Training = Field(description="enough to repeat it")
    metrics: dict[str, JsonValue] = Field(default_factory=dict, description="measured quality")

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

    kind: Literal["codec"] = Field("codec", description="what the bundle is")  # pyright: ignore[reportIncompatibleVariableOverride]
    codec: CodecContract = Field(description="what it promises")

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

    kind: Literal["policy"] = Field("policy", description="what the bundle is")  # pyright: ignore[reportIncompatibleVariableOverride]
    policy: PolicyContract = Field(description="what it promises")

    @property
    def referenced_files(self) -> tuple[str, ...]:
        """The file of the network."""
        return (self.policy.model,)


Manifest = CodecManifest | PolicyManifest
