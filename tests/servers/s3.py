"""An S3 server for tests: moto over HTTP in a child process, with signatures verified.

moto alone accepts wrong secrets and tampered or expired URLs. This server refuses every request
without a valid Signature Version 4, except CORS preflights. The rules:
https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-authenticating-requests.html
"""

import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from servers.processes import environment_without_coverage

ACCESS_KEY_ID = "seewhy-tests"
SECRET_ACCESS_KEY = "a secret known to the tests"  # noqa: S105
REGION = "us-east-1"


@dataclass(frozen=True, kw_only=True)
class S3Server:
    """A running server. Tests may signal its process, `pid`."""

    endpoint: str
    pid: int
    access_key_id: str = ACCESS_KEY_ID
    secret_access_key: str = SECRET_ACCESS_KEY
    region: str = REGION

    def client(self, **changes: str) -> Any:
        """Return a boto3 client for this server."""
        arguments: dict[str, Any] = {
            "endpoint_url": self.endpoint,
            "aws_access_key_id": self.access_key_id,
            "aws_secret_access_key": self.secret_access_key,
            "region_name": self.region,
            "config": Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}),
        }
        return boto3.client("s3", **(arguments | changes))

    def new_bucket(self) -> str:
        """Create an empty bucket with a unique name and return the name."""
        name = f"test-{uuid.uuid4().hex}"
        self.client().create_bucket(Bucket=name)
        return name

    def settings(self, bucket: str) -> dict[str, str]:
        """Return the keyword arguments of `seewhy.settings.load` for a bucket of this server."""
        return {
            "store_url": f"s3://{bucket}",
            "s3_endpoint": self.endpoint,
            "s3_region": self.region,
            "s3_access_key_id": self.access_key_id,
            "s3_secret_access_key": self.secret_access_key,
        }


@contextmanager
def running() -> Iterator[S3Server]:
    """Run a server on a free loopback port until the block ends.

    The server also ends when this process dies, because its standard input is closed.
    """
    program = Path(__file__).with_name("s3_process.py")
    with subprocess.Popen(
        [sys.executable, str(program), ACCESS_KEY_ID, SECRET_ACCESS_KEY, REGION],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={
            **environment_without_coverage(),
            "MOTO_DISABLE_GLOBAL_CORS": "true",
        },  # apply the CORS rules of the bucket
    ) as process:
        assert process.stdout is not None
        port = process.stdout.readline().strip()
        if not port:
            _, report = process.communicate()
            raise RuntimeError(f"The S3 server did not start:\n{report}")
        try:
            yield S3Server(endpoint=f"http://127.0.0.1:{port}", pid=process.pid)
        finally:
            process.kill()
