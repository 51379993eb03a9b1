"""Trees of simplestreams: lists of images that mirrors publish, such as those of Ubuntu and Incus."""

from goldenrod.sources.simplestreams.source import SimpleStreamsSource as SimpleStreamsSource
