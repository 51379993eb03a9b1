"""Machine images (AMIs) of Amazon EC2, read with boto3."""

from goldenrod.sources.aws.source import AwsSource as AwsSource
