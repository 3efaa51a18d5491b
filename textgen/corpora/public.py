"""Well-known public corpora by name: where each one is and how to recognise it."""

from __future__ import annotations

from dataclasses import dataclass

from textgen.errors import FetchError
from textgen.wording import did_you_mean


@dataclass(frozen=True, kw_only=True)
class PublicCorpus:
    """One public text: its address, and what is known about it in advance.

    Attributes:
        name: what the user types; the file is called `<name>.txt`.
        url: where its owner or its best-known user publishes it.
        licence: the terms, in a few words.
        description: what it is, in one line.
        sha256: digest of the text (unzipped).
        num_bytes: size of the text (unzipped).
        member: name of the text inside the zip archive at `url`, or None if the address
            serves the text itself.

    >>> public_corpus("text8").file_name
    'text8.txt'
    """

    name: str
    url: str
    licence: str
    description: str
    sha256: str
    num_bytes: int
    member: str | None = None

    @property
    def file_name(self) -> str:
        """The name of the text in the folder it is downloaded into."""
        return f"{self.name}.txt"


PUBLIC_CORPORA: tuple[PublicCorpus, ...] = (
    PublicCorpus(
        name="tinyshakespeare",
        url=(
            "https://raw.githubusercontent.com/karpathy/char-rnn/"
            "6f9487a6fe5b420b7ca9afb0d7c078e37c1d1b4e/data/tinyshakespeare/input.txt"
        ),
        licence="public domain",
        description="1.1 million characters of Shakespeare's plays, the usual first corpus",
        sha256="86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
        num_bytes=1_115_394,
    ),
    PublicCorpus(
        name="names",
        url=(
            "https://raw.githubusercontent.com/karpathy/makemore/"
            "988aa59e4d8fefa526d06f3b453ad116258398d4/names.txt"
        ),
        licence="public domain (US Social Security), in an MIT repository",
        description="32,033 first names, one a line, from makemore (--documents lines)",
        sha256="0a30b5557f192f32ab962680889aac5f6fda0f4cecf40a6d0b5694f58ea8cc4d",
        num_bytes=228_145,
    ),
    PublicCorpus(
        name="irish_abc",
        url=(
            "https://raw.githubusercontent.com/aamini/introtodeeplearning/"
            "fd8023c7804bd352fc7212ac3aa587bd90912653/mitdeeplearning/data/irish.abc"
        ),
        licence="MIT; the tunes are traditional",
        description="Irish tunes in ABC notation, from MIT's deep learning course",
        sha256="df3782d5f7b5a2f4c66aa7c13f13008d5f48757b3f5f51620cd6c1ceb2c53023",
        num_bytes=197_618,
    ),
    PublicCorpus(
        name="enwik8",
        # The author serves it over plain HTTP only; the digest makes up for that.
        url="http://mattmahoney.net/dc/enwik8.zip",
        licence="GFDL (Wikipedia, 2006)",
        description="the first 100 million bytes of Wikipedia, mark-up and all (36 MB zip)",
        sha256="2b49720ec4d78c3c9fabaee6e4179a5e997302b3a70029f30f2d582218c024a8",
        num_bytes=100_000_000,
        member="enwik8",
    ),
    PublicCorpus(
        name="text8",
        url="http://mattmahoney.net/dc/text8.zip",
        licence="GFDL (Wikipedia, 2006)",
        description="100 million characters of Wikipedia, a-z and space (31 MB zip)",
        sha256="6e890197040d37d85beb962ae1f041ff1d9a9ca8d20c7d99c85027eebf51dca7",
        num_bytes=100_000_000,
        member="text8",
    ),
)


def public_corpus(name: str) -> PublicCorpus:
    """Find a public corpus by its name.

    Raises:
        FetchError: no corpus has this name; the message suggests similar names.

    >>> public_corpus("tinyshakespeare").num_bytes
    1115394
    """
    by_name = {corpus.name: corpus for corpus in PUBLIC_CORPORA}
    if name in by_name:
        return by_name[name]
    meant = did_you_mean(
        name.lower().replace("-", "_"),
        by_name,
        otherwise=f"Known: {', '.join(by_name)}.",
        most=3,
        show=str,
    )
    raise FetchError(
        f"there is no public corpus called {name!r}. {meant} "
        "`textgen corpus list` shows them all."
    )
