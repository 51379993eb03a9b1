"""The demonstration's data: real releases of six of Amazon's ECS-optimized images.

`amis.jsonl.gz` is a selection of the public data that the package moto (Apache-2.0, 5.2.5) ships in
`moto/ec2/resources/ecs/optimized_amis/`. It has the lines that `sources/aws_ecs_file.py` reads, with
unchanged values, sorted by name and region. It has twelve regions: af-south-1, ap-northeast-1,
ap-south-1, ap-southeast-2, ca-central-1, eu-central-1, eu-north-1, eu-west-1, me-central-1, sa-east-1,
us-east-1 and us-west-2. Of each image it has the newest releases that have a copy in one of them:

    al2023-ami-ecs-hvm-kernel-6.1-x86_64      36   me-central-1 stops in March 2026
    al2023-ami-ecs-hvm-kernel-6.1-arm64       24   its twin, released on the same days
    al2023-ami-ecs-gpu-hvm-kernel-6.1-x86_64-ebs   18   the youngest image
    amzn2-ami-ecs-kernel-5.10-hvm-arm64-ebs   30   another system, released more often
    amzn2-ami-ecs-inf-hvm-x86_64-ebs          14   for Inferentia machines
    amzn-ami-amazon-ecs-optimized             24   grows from one region to all, ends in 2025

It was compressed with gzip at level 9 without time and file name, so that the same lines give the same
bytes. The newest release of an image may be in one region only, because it had just been published.
"""

import gzip
from collections.abc import Iterable
from importlib.resources import files


def ami_lines() -> Iterable[bytes]:
    """The lines of the packaged AMIs, for `goldenrod.sources.aws_ecs_file.parse`."""
    packed = files("goldenrod.demo").joinpath("amis.jsonl.gz").read_bytes()
    return gzip.decompress(packed).splitlines(keepends=True)
