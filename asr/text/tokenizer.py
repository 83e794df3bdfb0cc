"""Text to token ids and back, by SentencePiece.

One vocabulary serves the speller and the CTC head. Its first three ids are fixed:
`BLANK` (CTC's blank, and padding), `UNKNOWN`, and `EOS` (end of sentence, also fed to the speller as its start).
"""

from __future__ import annotations

import io
import random
from collections.abc import Iterable, Sequence
from pathlib import Path

import sentencepiece

from asr.config import TokenizerConfig
from asr.errors import ConfigError, ModelError
from asr.text.unicode_form import unicode_form

BLANK, UNKNOWN, EOS = 0, 1, 2
MOST_SENTENCES = 1_000_000  # that pieces are learnt from
WORD_START = "▁"
"""how SentencePiece writes the start of a word"""


def composed(text: str) -> str:
    """A text with each accented letter as one character, where Unicode has it (NFC): ü may as well have been written as u and dots."""
    return unicode_form("NFC", text)


class Tokenizer:
    """A trained SentencePiece model.

    Examples:
        >>> from asr.config import EMBEDDED
        >>> tokenizer = Tokenizer.load(EMBEDDED / "tokenizer.model")
        >>> tokenizer.decode(tokenizer.encode("GO ON"))
        'GO ON'
    """

    def __init__(self, serialized: bytes):
        self.serialized = serialized
        self._pieces = sentencepiece.SentencePieceProcessor(model_proto=serialized)
        ids = (self._pieces.pad_id(), self._pieces.unk_id(), self._pieces.eos_id())
        if ids != (BLANK, UNKNOWN, EOS):
            raise ValueError(f"pad, unk and eos have the ids {ids}, expected {(BLANK, UNKNOWN, EOS)}")

    @classmethod
    def load(cls, path: Path) -> Tokenizer:
        """Raises ModelError when `path` is missing or is no SentencePiece model."""
        try:
            return cls(path.read_bytes())
        except FileNotFoundError:
            raise ModelError(f"{path}: no such file; a model folder needs its tokenizer") from None
        except (OSError, RuntimeError, ValueError) as e:
            raise ModelError(f"{path}: not a SentencePiece model that `asr train` made: {e}") from None

    @classmethod
    def train(cls, texts: Iterable[str], config: TokenizerConfig) -> Tokenizer:
        """Learn pieces from `texts`.

        A vocabulary larger than the text can fill is made as large as it can be, so that one recipe serves small and
        large data. Raises ConfigError when there is no text or `vocab_size` is too small for its letters.
        """
        sentences = [composed(text) for text in texts if text.strip()]
        if len(sentences) > MOST_SENTENCES:  # SentencePiece would draw others each time
            sentences = random.Random(0).sample(sentences, MOST_SENTENCES)
        if not sentences:
            raise ConfigError("tokenizer: there is no text to learn pieces from: do the training manifests have `text`?")
        out = io.BytesIO()
        try:
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=iter(sentences),
                model_writer=out,
                model_type=config.kind,
                vocab_size=config.vocab_size,
                hard_vocab_limit=False,
                character_coverage=1.0,
                pad_id=BLANK, pad_piece="<blank>", unk_id=UNKNOWN, eos_id=EOS, bos_id=-1,
                normalization_rule_name="identity",
                max_sentence_length=max(4192, max(len(text.encode()) for text in sentences)),  # bytes; longer ones it would leave out
                num_threads=1,  # the same pieces on every machine
                minloglevel=2,
            )  # fmt: skip
        except RuntimeError as e:
            raise ConfigError(f"tokenizer: {config.kind} with vocab_size {config.vocab_size} cannot be trained on this text: {e}") from None
        return cls(out.getvalue())

    def __len__(self) -> int:
        return int(self._pieces.get_piece_size())

    @property
    def pieces(self) -> list[str]:
        """Every piece by id; `▁` marks the start of a word."""
        return [self._pieces.id_to_piece(i) for i in range(len(self))]

    def begins_word(self, token: int) -> bool:
        """Whether a word starts with this piece."""
        return self._pieces.id_to_piece(token).startswith(WORD_START)

    def encode(self, text: str) -> list[int]:
        """Ids of `text`, without end-of-sentence."""
        return list(self._pieces.encode(composed(text)))

    def encode_many(self, texts: Sequence[str]) -> list[list[int]]:
        """`encode` of each text, much faster than one by one."""
        found: list[list[int]] = self._pieces.encode([composed(text) for text in texts])
        return found

    def unknown(self, text: str) -> str:
        """The characters of `text` that no piece has, each once, in order."""
        known = set("".join(self.pieces[EOS + 1 :]))
        return "".join(sorted(set(composed(text)) - known - {" "}))

    def decode(self, ids: Sequence[int]) -> str:
        """The text of `ids`; blank and end-of-sentence write nothing."""
        return str(self._pieces.decode([int(i) for i in ids if i not in (BLANK, EOS)]))
