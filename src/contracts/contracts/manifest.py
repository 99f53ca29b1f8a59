"""The schema of `manifest.yaml`, shared by codec and policy bundles."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

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
                raise ValueError(f"{name}: found {found} values, expected {len(self.joints)}, one a joint")
        if any(low >= high for low, high in zip(self.lower, self.upper, strict=True)):
            raise ValueError("lower: found a limit that is not below upper, expected lower < upper")
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


class Manifest(Strict):
    """A bundle: its identity, the latent space it speaks, its contract, its files, its origin and its measured quality.

    `latent_space` is fixed when a space is trained; a codec that gains a hand later keeps it. `axes` are the names of
    one side's latent vector, in wire order.
    """

    format: Literal[1] = FORMAT
    kind: Literal["codec", "policy"]
    id: Identifier
    latent_space: Identifier
    axes: tuple[str, ...] = Field(min_length=1)
    codec: CodecContract | None = None
    policy: PolicyContract | None = None
    files: dict[FileName, FileEntry] = Field(min_length=1)
    training: Training
    metrics: dict[str, JsonValue] = {}

    @model_validator(mode="after")
    def _contract_fits_the_kind(self) -> Manifest:
        other = "policy" if self.kind == "codec" else "codec"
        if getattr(self, self.kind) is None:
            raise ValueError(f"{self.kind}: found nothing, expected the contract of a {self.kind} bundle")
        if getattr(self, other) is not None:
            raise ValueError(f"{other}: found a value, expected none in a {self.kind} bundle")
        for name in self.referenced_files():
            if name not in self.files:
                raise ValueError(f"files: found no entry {name}, expected one because the contract names it")
        return self

    def referenced_files(self) -> tuple[str, ...]:
        """The files that the contract names, each once."""
        if self.codec is not None:
            hands = self.codec.hands.values()
            return tuple(dict.fromkeys(file for hand in hands for file in (hand.encoder, hand.decoder, hand.density)))
        return (self.policy.model,) if self.policy is not None else ()
