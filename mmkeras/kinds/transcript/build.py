"""The head for transcripts."""

from mmkeras import heads

OPTIONS = heads.TranscriptOptions


def head(transcript, facts, options):
    return heads.Transcript(
        symbols=len(transcript.symbols),
        steps=transcript.steps,
        modality=transcript.modality,
        weight=transcript.weight,
        **options.arguments(),
    )
