"""What S3's error codes mean to the person who set the store up."""

_CREDENTIALS = (
    "the object store refuses the credentials ({code}): "
    "check SEEWHY_S3_ACCESS_KEY_ID and SEEWHY_S3_SECRET_ACCESS_KEY"
)
_REGION = "the bucket is in another region ({code}): check SEEWHY_S3_REGION"
_SENTENCES = {
    "NoSuchBucket": "the bucket of SEEWHY_STORE_URL does not exist: create it or correct the name",
    "InvalidAccessKeyId": _CREDENTIALS,
    "SignatureDoesNotMatch": _CREDENTIALS,
    "InvalidToken": _CREDENTIALS,
    "ExpiredToken": _CREDENTIALS,
    "AccessDenied": "the credentials do not allow this on the bucket of SEEWHY_STORE_URL ({code})",
    "AuthorizationHeaderMalformed": _REGION,
    "PermanentRedirect": _REGION,
    "RequestTimeTooSkewed": "this machine's clock is wrong, or the object store's ({code})",
}


def error_message(code: str | None, report: str) -> str:
    """Say what is wrong and what to do, falling back on the library's own `report`.

    Codes: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
    """
    known = _SENTENCES.get(code or "")
    if known:
        return known.format(code=code)
    return f"the object store does not answer as it should: {report}"
