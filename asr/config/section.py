"""Sections of a config: their base class, blocks that come in several kinds, and the types of their values."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, ValidationInfo, field_validator
from pydantic_core import InitErrorDetails, PydanticKnownError

MAX_BEAM = 1_000  # hypotheses per utterance
MAX_WEIGHT = 1_000.0  # of a term of the search score
MAX_REDUCTION = 64  # feature frames per listener state

Probability = Annotated[float, Field(ge=0, le=1)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
PositiveInt = Annotated[int, Field(ge=1)]
NonNegativeInt = Annotated[int, Field(ge=0)]
PositiveFloat = Annotated[float, Field(gt=0)]
NonNegativeFloat = Annotated[float, Field(ge=0)]
Weight = Annotated[float, Field(ge=0, le=MAX_WEIGHT)]
Units = Annotated[int, Field(ge=1, le=16_384)]  # vector dimension; bounds a weight matrix to 1 GiB
Layers = Annotated[int, Field(ge=1, le=32)]
Milliseconds = Annotated[float, Field(gt=0, le=200)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]  # torch seeds have 64 bits
Paths = Annotated[tuple[Path, ...], BeforeValidator(lambda paths: [paths] if isinstance(paths, str | Path) else paths)]

EMBEDDED = Path(str(files("asr") / "pretrained"))
"""Folder of the bundled model. Its language model is in `lm/`."""


def _leaves(annotation: Any) -> set[Any]:
    """Return the types at the leaves of an annotation: {float, NoneType} of `tuple[float, ...] | None`, {int} of `Literal[1, 2]`."""
    if get_origin(annotation) is Literal:
        return {type(value) for value in get_args(annotation)}
    if get_origin(annotation) is Annotated:
        return _leaves(get_args(annotation)[0])
    return set().union(*map(_leaves, get_args(annotation))) if get_args(annotation) else {annotation}


class Section(BaseModel):
    """Base class of all config sections: immutable, unknown keys are errors, and texts and booleans are not converted to numbers."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _check_type(cls, value: Any, info: ValidationInfo) -> Any:
        """Refuse values that pydantic would convert. YAML reads `yes` as true, which pydantic reads as 1."""
        leaves = _leaves(cls.model_fields[info.field_name or ""].annotation)
        numbers = leaves & {int, float}
        for item in value if isinstance(value, list | tuple) else [value]:
            if numbers and type(item) not in leaves and isinstance(item, bool | str):
                raise PydanticKnownError("int_type" if numbers == {int} else "float_type")
            if bool in leaves and type(item) not in leaves:
                raise PydanticKnownError("bool_type")
        return value


class Block(Section):
    """Base class of the sections whose `kind` names one of several implementations.

    A family derives from this class and sets `KINDS = {}` and `DEFAULT`. Each kind derives from its family and sets
    `kind: Literal["name"] = "name"`, which enters it into `KINDS`. `asr.model.kinds` maps each kind's config class to its network class.

    This is pydantic's discriminated union, with three differences: the table can grow at run time, `kind` may be missing (older configs),
    and error locations do not contain the kind.
    """

    KINDS: ClassVar[dict[str, type[Block]]]
    DEFAULT: ClassVar[str]
    kind: str

    @classmethod
    def __pydantic_init_subclass__(cls, **options: Any) -> None:
        kind = cls.model_fields["kind"].default
        if isinstance(kind, str):
            cls.KINDS[kind] = cls

    @classmethod
    def of_kind(cls, value: Any) -> Any:
        """Validate a mapping as the kind that it names, or as the default kind.

        Keys that only other kinds of the family have are ignored, so that a change of `kind` alone leaves a valid config. Values that are
        not mappings are returned unchanged, for pydantic to refuse.

        Raises:
            ValidationError: The kind is unknown, or its keys or values are invalid.
        """
        if not isinstance(value, Mapping):
            return value
        kind = value.get("kind", cls.DEFAULT)
        chosen = cls.KINDS.get(kind) if isinstance(kind, str) else None
        if chosen is None:
            *names, last = map(repr, cls.KINDS)
            expected = f"{', '.join(names)} or {last}" if names else last
            problem = InitErrorDetails(type="literal_error", loc=("kind",), input=kind, ctx={"expected": expected})
            raise ValidationError.from_exception_data(cls.__name__, [problem])
        foreign = {key for other in cls.KINDS.values() for key in other.model_fields} - chosen.model_fields.keys()
        return chosen.model_validate({key: v for key, v in value.items() if key not in foreign})
