"""Play notes as a WAV file, with plucked tones made in NumPy."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np

RATE = 11_025
"""Samples per second: a quarter of a CD's, and a third of a megabyte a tune."""
OVERTONES = (1.0, 0.5, 0.3, 0.15, 0.08)
"""Amplitudes of a tone's harmonics."""
FADING = 0.35
"""Seconds in which a tone falls to a third; higher harmonics fall faster."""
QUARTER = 0.26
"""Seconds of a quarter note."""


def write_wav(notes: np.ndarray, path: Path) -> None:
    """Write `(num_notes, 3)` onsets and lengths in quarter notes, and MIDI pitches."""
    ends = QUARTER * notes[:, :2].sum(axis=1)
    sound = np.zeros(int(RATE * (ends.max() + 1)))
    for onset, length, pitch in notes:
        tone = plucked(440 * 2 ** ((pitch - 69) / 12), QUARTER * length + 0.15)
        start = int(RATE * QUARTER * onset)
        sound[start : start + len(tone)] += tone
    samples = (0.8 * 32767 * sound / np.abs(sound).max()).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(samples.tobytes())


def plucked(frequency: float, seconds: float) -> np.ndarray:
    """A tone with harmonics that fade, without a click at its ends."""
    time = np.arange(int(RATE * seconds)) / RATE
    tone = np.zeros_like(time)
    for number, amplitude in enumerate(OVERTONES, start=1):
        if number * frequency < RATE / 2:
            swing = np.sin(2 * np.pi * number * frequency * time)
            tone += amplitude * swing * np.exp(-time * number**0.5 / FADING)
    edges = np.minimum(time / 0.004, (seconds - time) / 0.05)
    return tone * np.clip(edges, 0, 1)
