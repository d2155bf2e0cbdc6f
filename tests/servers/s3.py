"""A real S3 server for tests: moto over HTTP, in a child process, behind a check of signatures.

moto alone accepts a wrong secret, a tampered link and an expired one. Here every request but a
CORS preflight is refused unless its Signature Version 4 is right, by the rules of
https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-authenticating-requests.html
"""

import os
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

ACCESS_KEY_ID = "seewhy-tests"
SECRET_ACCESS_KEY = "a secret known to the tests"
REGION = "us-east-1"


@dataclass(frozen=True, kw_only=True)
class S3Server:
    """A running server; `pid` is there for tests that stop, continue or kill it."""

    endpoint: str
    pid: int
    access_key_id: str = ACCESS_KEY_ID
    secret_access_key: str = SECRET_ACCESS_KEY
    region: str = REGION

    def client(self, **changes: str) -> Any:
        """Return a boto3 client of this server."""
        arguments: dict[str, Any] = {
            "endpoint_url": self.endpoint,
            "aws_access_key_id": self.access_key_id,
            "aws_secret_access_key": self.secret_access_key,
            "region_name": self.region,
            "config": Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}),
        }
        return boto3.client("s3", **(arguments | changes))

    def new_bucket(self) -> str:
        """Create an empty bucket under a name never used before."""
        name = f"test-{uuid.uuid4().hex}"
        self.client().create_bucket(Bucket=name)
        return name

    def settings(self, bucket: str) -> dict[str, str]:
        """Return what `seewhy.settings.load(environment={}, **…)` needs to use a bucket here."""
        return {
            "store_url": f"s3://{bucket}",
            "s3_endpoint": self.endpoint,
            "s3_region": self.region,
            "s3_access_key_id": self.access_key_id,
            "s3_secret_access_key": self.secret_access_key,
        }


@contextmanager
def running() -> Iterator[S3Server]:
    """Run a server on a free port of the loopback interface; it ends with the block.

    It also ends when this process dies in whatever way: its standard input is then closed.
    """
    program = Path(__file__).with_name("s3_process.py")
    with subprocess.Popen(
        [sys.executable, str(program), ACCESS_KEY_ID, SECRET_ACCESS_KEY, REGION],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "MOTO_DISABLE_GLOBAL_CORS": "true"},  # a bucket's own rules count
    ) as process:
        assert process.stdout is not None
        port = process.stdout.readline().strip()
        if not port:
            _, report = process.communicate()
            raise RuntimeError(f"the S3 server did not start:\n{report}")
        try:
            yield S3Server(endpoint=f"http://127.0.0.1:{port}", pid=process.pid)
        finally:
            process.kill()
