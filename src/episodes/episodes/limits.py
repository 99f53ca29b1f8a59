"""How much of a bag is read at once: files of strangers say of themselves how long their parts are."""

from __future__ import annotations

MAX_FILE_BYTES, MAX_MESSAGE_BYTES = 1 << 40, 1 << 28  # after decompression
MAX_CHUNK_BYTES = 1 << 30  # of messages in an MCAP file, after decompression
MAX_METADATA_BYTES = 16 << 20  # metadata.yaml, and a metadata record of an MCAP file, which may hold its text
MAX_DESCRIPTION_BYTES = 1 << 20  # the header, a schema or a channel of an MCAP file
MAX_SUMMARY_BYTES = 256 << 20  # the index of an MCAP file: a bag of MAX_FILE_BYTES in chunks of 1 MiB
