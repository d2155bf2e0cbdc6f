"""S3 error codes as messages for operators."""

import re

_ERROR_CODE = re.compile(r"<Code>(\w+)</Code>")
_CREDENTIALS = (
    "The object store refuses the credentials ({code}). "
    "Check SEEWHY_S3_ACCESS_KEY_ID and SEEWHY_S3_SECRET_ACCESS_KEY."
)
_REGION = "The bucket is in another region ({code}). Check SEEWHY_S3_REGION."
_MESSAGES = {
    "NoSuchBucket": (
        "The bucket in SEEWHY_STORE_URL does not exist. "
        "Create it with `seewhy bucket` or correct the name."
    ),
    "InvalidAccessKeyId": _CREDENTIALS,
    "SignatureDoesNotMatch": _CREDENTIALS,
    "InvalidToken": _CREDENTIALS,
    "ExpiredToken": _CREDENTIALS,
    "AccessDenied": (
        "The credentials do not allow this on the bucket in SEEWHY_STORE_URL ({code}). "
        "Check the bucket policy."
    ),
    "AuthorizationHeaderMalformed": _REGION,
    "PermanentRedirect": _REGION,
    "RequestTimeTooSkewed": (
        "The clocks of this machine and of the object store differ too much ({code}). "
        "Synchronize them."
    ),
}


def error_code(report: str) -> str | None:
    """Return the S3 error code in a library's report; None without one."""
    code = _ERROR_CODE.search(report)
    return code[1] if code else None


def error_message(code: str | None, report: str) -> str:
    """Return what is wrong and what to do, or the library's own `report` for an unlisted code.

    Codes: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
    """
    message = _MESSAGES.get(code or "")
    if message:
        return message.format(code=code)
    return f"The object store does not respond as expected: {report}"
